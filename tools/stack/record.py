"""The record of where the running stack is, which every command reads.

The supervisor of the local stack writes it, and so does `provision` for a stack of containers or on
external servers. A server that the caller's own settings name takes precedence over the record.
"""

from pathlib import Path

import msgspec
from msgspec import Struct

from tools.stack import config, services, state
from tools.stack.config import Secrets, Settings, write_private
from tools.stack.errors import StackError
from tools.stack.services import Addresses


class Record(Struct, frozen=True, kw_only=True):
    """`is_supervised` where the stack's processes run under the supervisor of the local stack."""

    addresses: Addresses
    is_supervised: bool


class RunningStack(Struct, frozen=True):
    """What a command needs to reach a stack."""

    addresses: Addresses
    secrets: Secrets


def read(folder: Path) -> Record | None:
    """The record in the stack's folder, or None."""
    try:
        return msgspec.json.decode(_path(folder).read_bytes(), type=Record)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def write(folder: Path, record: Record) -> None:
    """Write the record, readable by its owner only, since addresses contain passwords. Raises OSError."""
    write_private(_path(folder), msgspec.json.encode(record))


def find_running() -> RunningStack:
    """The stack that is up, as recorded in the folder of the caller's settings; raises StackError."""
    settings = config.settings()
    return RunningStack(
        _prefer(settings, read_running(settings.folder).addresses),
        config.stack_secrets(settings.folder),
    )


def find_servers() -> RunningStack:
    """As `find_running`, and where no stack is up, the servers that the caller's settings name."""
    settings = config.settings()
    secrets = config.stack_secrets(settings.folder)
    record = read(settings.folder)
    if record is None:
        return RunningStack(services.addresses(settings, secrets), secrets)
    return RunningStack(_prefer(settings, record.addresses), secrets)


def read_running(folder: Path) -> Record:
    """The record of a stack that is up; raises StackError."""
    record = read(folder)
    if record is None and state.is_running(folder):
        raise StackError(
            "The stack was started by an earlier release: restart it with make down && make up"
        )
    if record is None or (record.is_supervised and not state.is_running(folder)):
        raise StackError(
            "The stack is not up. Start it with `make up`, or set WHALE_HOME to the folder in which `provision` "
            "recorded your own servers."
        )
    return record


def _prefer(settings: Settings, addresses: Addresses) -> Addresses:
    """The addresses, with the servers that the settings name in place of the recorded ones."""
    changes: dict[str, object] = {}
    if settings.kafka_url is not None:
        changes["kafka"] = services.kafka_address(settings)
        changes["kafka_security"] = settings.kafka_security
    if settings.postgres_url is not None:
        changes["postgres_admin"] = settings.postgres_url
    if settings.redis_url is not None:
        changes["redis"] = settings.redis_url
    return msgspec.structs.replace(addresses, **changes)


def _path(folder: Path) -> Path:
    return folder / "stack.json"
