"""Running a service's migrations with Alembic, as the owner of its database.

`WHALE_DATABASE_URL=postgresql://owner:…@host:port/earning python -m libs.persistence.migrate
services.earning`. The URL is no argument because it contains a password, and any user of the machine
can read a process's arguments.
"""

import importlib
import os
import sys
from pathlib import Path

from alembic import command
from alembic.config import Config
from msgspec import Struct

from libs.kernel.settings import SettingsError, load

_ENVIRONMENT = Path(__file__).parent / "alembic"


def upgrade(service: str, owner_url: str, *, revision: str = "head") -> None:
    """Migrate the database at `owner_url` to `revision`; `service` is the service's package.

    Concurrent callers wait for each other. Raises what the database raises; a failed upgrade is
    rolled back.
    """
    command.upgrade(configuration(service, owner_url), revision)


def configuration(service: str, owner_url: str) -> Config:
    """Alembic's configuration for one service, without a configuration file."""
    package = importlib.import_module(service)
    assert package.__file__ is not None
    config = Config()
    config.set_main_option("script_location", str(_ENVIRONMENT))
    versions = Path(package.__file__).parent / "migrations"
    config.set_main_option("version_locations", str(versions))
    config.set_main_option("path_separator", "os")
    # Not a main option: Alembic would interpolate a percent sign in a password.
    config.attributes["url"] = owner_url
    config.attributes["service"] = service
    return config


class Settings(Struct, frozen=True):
    """The settings of this program, read from the environment."""

    database_url: str


if __name__ == "__main__":
    try:
        upgrade(sys.argv[1], load(Settings, os.environ).database_url)
    except SettingsError as error:
        sys.exit(str(error))
