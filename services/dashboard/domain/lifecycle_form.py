"""The settings of expiry and pending points as part of a program's form."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from services.dashboard.domain.forms import whole
from whale_loyalty.models import Expiry, Pending

_NONE: Final = "none"
# An old page has none of these fields.
_UNSET: Final = ("", _NONE)
_WITH_PERIOD: Final = ("after", "inactivity")
_MONTHS: Final = "months"
_DATE: Final = re.compile(r"(\d{1,2})[-/](\d{1,2})", re.ASCII)
_SEPARATORS: Final = re.compile(r"[,;\s]+")

# The names that fields have in the page. They are those of the API, apart from the number of months or days and
# its unit, which the API has in one of two fields.
_NAMES: Final = {
    "kind": "expiry.kind",
    "period": "expiry.period",
    "unit": "expiry.unit",
    "round": "expiry.round",
    "dates": "expiry.dates",
    "at_least_days": "expiry.at_least_days",
    "returned_days": "expiry.returned_days",
    "remind_days": "remind_days",
    "wait": "pending",
    "wait_days": "pending.days",
    "give_up_days": "pending.give_up_days",
    "time_zone": "time_zone",
}
_PERIODS: Final = {"#/expiry/months": "#/expiry/period", "#/expiry/days": "#/expiry/period"}


class LifecycleForm(Struct, frozen=True, kw_only=True):
    """The settings as they were typed. `kind` says which fields of expiry count, and `wait` what the points
    of an order wait for: none, order or fulfilled. An empty field is no setting."""

    time_zone: str = ""
    kind: str = _NONE
    period: str = "12"
    unit: str = _MONTHS
    round: str = ""
    dates: str = "12-31"
    at_least_days: str = ""
    returned_days: str = ""
    remind_days: str = ""
    wait: str = _NONE
    wait_days: str = "14"
    give_up_days: str = ""

    @property
    def fields(self) -> dict[str, str]:
        """The fields by the names that they have in the page."""
        return {name: getattr(self, field) for field, name in _NAMES.items()}


class LifecycleValues(Struct, frozen=True, kw_only=True):
    """The settings of a form without problems; None for those that are not set."""

    time_zone: str | None
    expiry: Expiry | None
    remind_days: list[int] | None
    pending: Pending | None


def parse(fields: Mapping[str, str]) -> LifecycleForm:
    """The form that these fields are of. Fields that are missing, as in an old page, set nothing."""
    return LifecycleForm(
        **{
            field: str(fields[name]).strip() if name in fields else ""
            for field, name in _NAMES.items()
        }
    )


def form_of(
    time_zone: str | None,
    expiry: Expiry | None,
    remind_days: list[int] | None,
    pending: Pending | None,
) -> LifecycleForm:
    """The form with these settings; what is not set has the values of an empty form."""
    values: dict[str, str] = {
        "time_zone": time_zone or "",
        "remind_days": ", ".join(map(str, remind_days or ())),
    }
    if expiry is not None:
        is_in_days = expiry.days is not None
        values |= {
            "kind": expiry.kind,
            "unit": "days" if is_in_days else _MONTHS,
            "round": expiry.round or "",
            "at_least_days": _text(expiry.at_least_days),
            "returned_days": _text(expiry.returned_days),
        }
        period = expiry.days if is_in_days else expiry.months
        if period is not None:
            values["period"] = str(period)
        if expiry.dates:
            values["dates"] = ", ".join(expiry.dates)
    if pending is not None:
        values |= {
            "wait": pending.from_ or "order",
            "wait_days": str(pending.days),
            "give_up_days": _text(pending.give_up_days),
        }
    return LifecycleForm(**values)


def _text(number: int | None) -> str:
    return "" if number is None else str(number)


def find_problems(form: LifecycleForm) -> dict[str, str]:
    """What cannot be sent: field → required, count or days. The bounds are the API's, and fields that do
    not count are not read."""
    problems = {}
    for field, is_required in _numbers(form).items():
        text = getattr(form, field)
        if text and whole(text) is None:
            problems[_NAMES[field]] = "count"
        elif is_required and not text:
            problems[_NAMES[field]] = "required"
    if form.kind == "yearly" and not _parts(form.dates):
        problems[_NAMES["dates"]] = "required"
    if any(whole(part) is None for part in _parts(form.remind_days)):
        problems[_NAMES["remind_days"]] = "days"
    return problems


def _numbers(form: LifecycleForm) -> dict[str, bool]:
    """The numbers that count for the chosen kinds, and whether each is required."""
    numbers = {}
    if form.kind in _WITH_PERIOD:
        numbers["period"] = True
    if form.kind == "yearly":
        numbers["at_least_days"] = False
    if form.kind not in _UNSET:
        numbers["returned_days"] = False
    if form.wait not in _UNSET:
        numbers["wait_days"] = True
    if form.wait == "fulfilled":
        numbers["give_up_days"] = False
    return numbers


def values_of(form: LifecycleForm) -> LifecycleValues:
    """The settings of a form without problems."""
    return LifecycleValues(
        time_zone=form.time_zone or None,
        expiry=_expiry(form),
        remind_days=[whole(part) or 0 for part in _parts(form.remind_days)] or None,
        pending=_pending(form),
    )


def _expiry(form: LifecycleForm) -> Expiry | None:
    if form.kind in _UNSET:
        return None
    fields: dict[str, Any] = {"kind": form.kind, "returned_days": whole(form.returned_days)}
    if form.kind in _WITH_PERIOD:
        fields["days" if form.unit == "days" else _MONTHS] = whole(form.period)
    if form.kind == "after":
        fields["round"] = form.round or None
    if form.kind == "yearly":
        fields["dates"] = [_yearly_date(part) for part in _parts(form.dates)]
        fields["at_least_days"] = whole(form.at_least_days)
    return Expiry(**fields)


def _pending(form: LifecycleForm) -> Pending | None:
    if form.wait in _UNSET:
        return None
    days = whole(form.wait_days) or 0
    if form.wait == "order":
        return Pending(days=days)
    return Pending(days=days, from_=form.wait, give_up_days=whole(form.give_up_days))


def _parts(text: str) -> list[str]:
    return [part for part in _SEPARATORS.split(text) if part]


def _yearly_date(text: str) -> str:
    """6/30 or 06-30 as 06-30; anything else as it was typed, for the API to refuse."""
    match = _DATE.fullmatch(text)
    return f"{int(match[1]):02}-{int(match[2]):02}" if match else text


def comparable(setting: object) -> object:
    """A setting without what makes no difference: the values that hold if a field is unset."""
    if isinstance(setting, Expiry) and setting.round == "day":
        return replace(setting, round=None)
    if isinstance(setting, Pending) and setting.from_ in {None, "order"}:
        return Pending(days=setting.days)
    return setting


def at_fields(errors: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """Errors of the API with the pointers of the page's fields."""
    return [
        {**error, "pointer": _PERIODS.get(error.get("pointer", ""), error.get("pointer", ""))}
        for error in errors
    ]
