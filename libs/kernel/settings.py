"""Settings: reads environment variables, and the files that they name, into a typed struct, and reports
all errors together."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Final, TypeVar

import msgspec

PREFIX = "WHALE_"
# Names a file with further variables, one `NAME=value` per line.
ENV_FILE: Final = "WHALE_ENV_FILE"
# `WHALE_DATABASE_URL_FILE` names a file with the value of WHALE_DATABASE_URL and nothing else.
FILE_SUFFIX: Final = "_FILE"

# Shorter secrets can be guessed; `openssl rand -hex 32` generates a good one.
_SHORTEST_SECRET: Final = 32
Secret = Annotated[str, msgspec.Meta(min_length=_SHORTEST_SECRET)]

_SECRET_RULE: Final = f"is too short for a secret: at least {_SHORTEST_SECRET} characters"

T = TypeVar("T")


class SettingsError(Exception):
    """Variables are missing or invalid; the message lists all of them with their requirements."""


def load(kind: type[T], environ: Mapping[str, str]) -> T:
    """Read each field `some_name` of the struct `kind` from the variable `WHALE_SOME_NAME`, or from the
    file that `WHALE_SOME_NAME_FILE` names. Variables may also be in the file that `WHALE_ENV_FILE`
    names; those in `environ` have precedence.

    A field with a default may be absent. Numbers and booleans are parsed from their text, lists
    from comma-separated text. Raises SettingsError, which names every invalid variable.
    """
    values: dict[str, object] = {}
    errors: list[str] = []
    if path := environ.get(ENV_FILE):
        environ = {**dict(_parse_env_file(_read(path, variable=ENV_FILE))), **environ}
    for field in msgspec.structs.fields(kind):  # type: ignore[arg-type]
        name = PREFIX + field.name.upper()
        try:
            text = _find_text(name, environ)
        except SettingsError as error:
            errors.append(str(error))
            continue
        if not text:
            if field.required:
                errors.append(f"{name} is not set")
            continue
        try:
            values[field.name] = _convert(text, field.type)
        except msgspec.ValidationError as error:
            errors.append(f"{name} {_SECRET_RULE}" if field.type == Secret else f"{name}: {error}")
    if errors:
        raise SettingsError("Invalid settings:\n  " + "\n  ".join(errors))
    try:
        return kind(**values)
    except ValueError as error:
        raise SettingsError(f"Invalid settings:\n  {error}") from error


def _find_text(name: str, environ: Mapping[str, str]) -> str | None:
    """The value of a variable, or of the file that stands in for it."""
    path = environ.get(name + FILE_SUFFIX)
    if not path:
        return environ.get(name)
    if environ.get(name):
        raise SettingsError(f"{name} and {name}{FILE_SUFFIX} are both set: remove one of them")
    return _read(path, variable=name + FILE_SUFFIX).rstrip("\r\n")


def _read(path: str, *, variable: str) -> str:
    try:
        return Path(path).read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise SettingsError(f"{variable}: {path} cannot be read: {reason}") from error


def _parse_env_file(content: str) -> Iterator[tuple[str, str]]:
    """The variables in the file, without comments and empty lines."""
    for line in content.splitlines():
        name, separator, value = line.partition("=")
        if separator and not line.startswith("#"):
            yield name.strip(), value


def _convert(text: str, kind: object) -> object:
    """Parse `text` as `kind`; a list is separated by commas."""
    origin = getattr(kind, "__origin__", None)
    if origin in {list, tuple, frozenset, set}:
        parts = [part.strip() for part in text.split(",") if part.strip()]
        return msgspec.convert(parts, kind, strict=False)
    return msgspec.convert(text, kind, strict=False)
