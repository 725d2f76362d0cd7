"""Settings: reads environment variables into a typed struct, and reports all errors together."""

from collections.abc import Mapping
from typing import Annotated, Final, TypeVar

import msgspec

PREFIX = "WHALE_"

# Shorter secrets can be guessed; `openssl rand -hex 32` generates a good one.
_SHORTEST_SECRET: Final = 32
Secret = Annotated[str, msgspec.Meta(min_length=_SHORTEST_SECRET)]

_SECRET_RULE: Final = f"is too short for a secret: at least {_SHORTEST_SECRET} characters"

T = TypeVar("T")


class SettingsError(Exception):
    """Variables are missing or invalid; the message lists all of them with their requirements."""


def load(kind: type[T], environ: Mapping[str, str]) -> T:
    """Read each field `some_name` of the struct `kind` from the variable `WHALE_SOME_NAME`.

    A field with a default may be absent. Numbers and booleans are parsed from their text, lists
    from comma-separated text. Raises SettingsError, which names every invalid variable.
    """
    values: dict[str, object] = {}
    errors: list[str] = []
    for field in msgspec.structs.fields(kind):  # type: ignore[arg-type]
        name = PREFIX + field.name.upper()
        text = environ.get(name)
        if text is None or text == "":
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


def _convert(text: str, kind: object) -> object:
    """Parse `text` as `kind`; a list is separated by commas."""
    origin = getattr(kind, "__origin__", None)
    if origin in {list, tuple, frozenset, set}:
        parts = [part.strip() for part in text.split(",") if part.strip()]
        return msgspec.convert(parts, kind, strict=False)
    return msgspec.convert(text, kind, strict=False)
