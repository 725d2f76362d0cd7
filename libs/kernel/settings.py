"""Settings: environment variables read once into a typed struct, every fault named at once."""

from collections.abc import Mapping
from typing import Annotated, Final, TypeVar

import msgspec

PREFIX = "WHALE_"

# Shorter ones can be guessed; `openssl rand -hex 32` makes a good one.
_SHORTEST_SECRET: Final = 32
Secret = Annotated[str, msgspec.Meta(min_length=_SHORTEST_SECRET)]

_SECRET_RULE: Final = f"is too short for a secret: at least {_SHORTEST_SECRET} characters"

T = TypeVar("T")


class SettingsError(Exception):
    """One or more variables are missing or faulty; the message lists each with what it needs."""


def load(kind: type[T], environ: Mapping[str, str]) -> T:
    """Read each field `some_name` of the struct `kind` from `WHALE_SOME_NAME`.

    A field with a default may be absent. Numbers and booleans are read from their text, lists
    from comma-separated text. Raises SettingsError naming every faulty variable.
    """
    values: dict[str, object] = {}
    faults: list[str] = []
    for field in msgspec.structs.fields(kind):  # type: ignore[arg-type]
        name = PREFIX + field.name.upper()
        text = environ.get(name)
        if text is None or text == "":
            if field.required:
                faults.append(f"{name} is not set")
            continue
        try:
            values[field.name] = _convert(text, field.type)
        except msgspec.ValidationError as error:
            faults.append(f"{name} {_SECRET_RULE}" if field.type == Secret else f"{name}: {error}")
    if faults:
        raise SettingsError("Invalid settings:\n  " + "\n  ".join(faults))
    try:
        return kind(**values)
    except ValueError as error:
        raise SettingsError(f"Invalid settings:\n  {error}") from error


def _convert(text: str, kind: object) -> object:
    """Read `text` as `kind`; a list takes what stands between its commas."""
    origin = getattr(kind, "__origin__", None)
    if origin in {list, tuple, frozenset, set}:
        parts = [part.strip() for part in text.split(",") if part.strip()]
        return msgspec.convert(parts, kind, strict=False)
    return msgspec.convert(text, kind, strict=False)
