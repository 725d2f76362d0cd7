"""The detectors' settings as a form: fields named `detector.parameter`, in sentences."""

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from string import Formatter
from typing import Any, Final

from whale_loyalty.models import AnomalySettings

PARAMETERS: Final[Mapping[str, tuple[str, ...]]] = {
    "rapid_earning": ("count", "window_seconds"),
    "unusual_amount": ("min_points", "factor", "min_history"),
    "deviation": ("score", "min_days"),
}
MODES: Final = ("off", "shadow", "review")
DAYS: Final = (30, 90, 366)
DEFAULT_DAYS: Final = 90
FIELDS: Final = tuple(
    f"{detector}.{name}" for detector, names in PARAMETERS.items() for name in ("mode", *names)
)


def values_of(settings: AnomalySettings) -> dict[str, str]:
    """What the fields show of these settings."""
    values = {}
    for field in FIELDS:
        detector, _, name = field.partition(".")
        value = getattr(getattr(settings, detector), name)
        values[field] = f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)
    return values


def is_shadow_used(settings: AnomalySettings) -> bool:
    """Whether a detector records without asking people."""
    return any(getattr(settings, name).mode == "shadow" for name in PARAMETERS)


def settings_from(values: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """The settings that the fields name. A text that is no number stays one, and `not_numbers` has it."""
    settings: dict[str, dict[str, Any]] = {}
    for field in FIELDS:
        detector, _, name = field.partition(".")
        value: Any = values[field]
        if name != "mode":
            value = _number(value)
        settings.setdefault(detector, {})[name] = value
    return settings


def not_numbers(values: Mapping[str, str]) -> list[str]:
    """The fields whose text is not a number."""
    return [
        field
        for field in FIELDS
        if not field.endswith(".mode") and isinstance(_number(values[field]), str)
    ]


def differences(values: Mapping[str, str], others: Mapping[str, str]) -> dict[str, str]:
    """The fields whose values differ, with the other one."""
    return {field: others[field] for field in FIELDS if values[field] != others[field]}


def field_of(pointer: str) -> str:
    """The field of a place in the body of a request: `#/settings/deviation/score` is `deviation.score`."""
    return pointer.removeprefix("#/").removeprefix("settings/").replace("/", ".")


def sentence(text: str) -> Sequence[tuple[str, str]]:
    """A text with fields in braces, as pairs of words and the field after them, if there is one."""
    return [(words, field or "") for words, field, _, _ in Formatter().parse(text)]


def _number(text: str) -> int | Decimal | str:
    plain = text.replace(",", "").strip()
    if plain.isdecimal():
        return int(plain)
    try:
        number = Decimal(plain)
    except InvalidOperation:
        return text
    return number if number.is_finite() else text
