"""Running a service's migrations with Alembic, as the owner of its database.

`WHALE_DATABASE_URL=postgresql://owner:…@host:port/earning python -m libs.persistence.migrate
services.earning`. The URL is no argument because it contains a password, and any user of the machine
can read a process's arguments.
"""

import importlib
import os
import sys
import time
from itertools import islice
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from msgspec import Struct
from sqlalchemy.exc import DBAPIError

from libs.background.backoff import delays
from libs.kernel.settings import SettingsError, load
from libs.observability import logging

_ENVIRONMENT = Path(__file__).parent / "alembic"
# How often a migration is tried whose tables other transactions have locked: for about a minute.
_MAX_ATTEMPTS: Final = 12
_LOCK_NOT_AVAILABLE: Final = "55P03"

log: Final = logging.get(__name__)


def upgrade(service: str, owner_url: str, *, revision: str = "head") -> None:
    """Migrate the database at `owner_url` to `revision`; `service` is the service's package.

    Concurrent callers wait for each other. A migration that cannot lock its tables in time is rolled
    back and repeated, so that writers do not wait behind it. Raises what the database raises; the
    failed migration is rolled back, and earlier ones stay.
    """
    config = configuration(service, owner_url)
    for delay in islice(delays(first=1.0), _MAX_ATTEMPTS - 1):
        try:
            command.upgrade(config, revision)
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
                raise
            log.warning("migration_retry", service=service, reason="tables are locked")
            time.sleep(delay)
        else:
            return
    command.upgrade(config, revision)


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
