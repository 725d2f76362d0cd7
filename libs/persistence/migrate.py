"""Migrations: each service's own, run by Alembic as the owner of its database.

`python -m libs.persistence.migrate services.earning postgresql://owner:…@host:port/earning`
"""

import importlib
import sys
from pathlib import Path

from alembic import command
from alembic.config import Config

from libs.persistence.engine import driver_url

_ENVIRONMENT = Path(__file__).parent / "alembic"


def upgrade(service: str, owner_url: str, *, revision: str = "head") -> None:
    """Bring the database at `owner_url` to `revision`; `service` is its package's name.

    Several callers at once wait for each other. Raises what the database raises; a migration that
    fails leaves the version before it.
    """
    command.upgrade(configuration(service, owner_url), revision)


def configuration(service: str, owner_url: str) -> Config:
    """Alembic's configuration for one service, without a file."""
    package = importlib.import_module(service)
    assert package.__file__ is not None
    config = Config()
    config.set_main_option("script_location", str(_ENVIRONMENT))
    versions = Path(package.__file__).parent / "migrations"
    config.set_main_option("version_locations", str(versions))
    config.set_main_option("path_separator", "os")
    # Alembic's own options would trip over a percent sign in a password.
    config.attributes["url"] = driver_url(owner_url)
    config.attributes["service"] = service
    return config


if __name__ == "__main__":
    upgrade(sys.argv[1], sys.argv[2])
