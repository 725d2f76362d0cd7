"""The reward as a form, whether it is offered now, and how two versions of it differ."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, Literal, cast
from zoneinfo import ZoneInfo

from msgspec import Struct

from services.dashboard.domain.changes import Change, Kind
from services.dashboard.domain.forms import decimal, plain, whole
from whale_loyalty.models import Reward, RewardValue

TYPES: Final = ("discount", "shipping", "credit", "perk")
_MINUTES: Final = "%Y-%m-%dT%H:%M"
_WHOLE_FIELDS: Final = ("points_cost", "stock", "per_customer_limit")
_TEXT_FIELDS: Final = ("description", "min_tier", "image_url")

Reason = Literal["inactive", "not_started", "ended", "out_of_stock"]


class RewardForm(Struct, frozen=True, kw_only=True):
    """A reward as it was typed. `worth` says which of the value's fields count: percent, amount, or
    none of them. The times are in the reader's zone."""

    name: str = ""
    type: str = "discount"
    points_cost: str = ""
    description: str = ""
    worth: str = "none"
    percent: str = ""
    amount: str = ""
    currency: str = "USD"
    stock: str = ""
    per_customer_limit: str = ""
    starts_at: str = ""
    ends_at: str = ""
    min_tier: str = ""
    image_url: str = ""
    is_active: str = "yes"

    @property
    def fields(self) -> dict[str, str]:
        """The fields by the names that they have in the page, which are those of the API."""
        return {
            _FIELD_NAMES.get(name, name): getattr(self, name) for name in self.__struct_fields__
        }


_FIELD_NAMES: Final = {
    "worth": "value",
    "percent": "value.percent",
    "amount": "value.amount",
    "currency": "value.currency",
}


def parse(fields: Mapping[str, str]) -> RewardForm:
    """The form that these fields are of."""
    names = RewardForm.__struct_fields__
    return RewardForm(
        **{name: str(fields.get(_FIELD_NAMES.get(name, name), "")).strip() for name in names}
    )


def form_of(reward: Reward, zone: ZoneInfo) -> RewardForm:
    """The form with a reward's values."""
    value = reward.value
    amount = None if value is None else value.amount
    percent = None if value is None else value.percent
    return RewardForm(
        name=reward.name,
        type=reward.type,
        points_cost=str(reward.points_cost),
        description=reward.description or "",
        worth="percent" if percent is not None else "amount" if amount is not None else "none",
        percent="" if percent is None else plain(percent),
        amount="" if amount is None else format(amount, "f"),
        currency=(value.currency if value else None) or "USD",
        stock=_text(reward.stock),
        per_customer_limit=_text(reward.per_customer_limit),
        starts_at=_local(reward.starts_at, zone),
        ends_at=_local(reward.ends_at, zone),
        min_tier=reward.min_tier or "",
        image_url=reward.image_url or "",
        is_active="yes" if reward.is_active else "no",
    )


def _text(value: int | None) -> str:
    return "" if value is None else str(value)


def _local(moment: datetime | None, zone: ZoneInfo) -> str:
    return "" if moment is None else moment.astimezone(zone).strftime(_MINUTES)


def find_problems(form: RewardForm) -> dict[str, str]:
    """What cannot be sent: field → required, whole, number or time. The bounds are the API's."""
    problems = {}
    if not form.points_cost:
        problems["points_cost"] = "required"
    for name in _WHOLE_FIELDS:
        if getattr(form, name) and whole(getattr(form, name)) is None:
            problems[name] = "whole"
    if form.worth in {"percent", "amount"}:
        text = getattr(form, form.worth)
        if decimal(text) is None:
            problems[f"value.{form.worth}"] = "number" if text else "required"
    for name in ("starts_at", "ends_at"):
        if getattr(form, name) and _moment(getattr(form, name), UTC) is None:
            problems[name] = "time"
    return problems


def _moment(text: str, zone: ZoneInfo | Any) -> datetime | None:
    """A time as a browser's field sends it, with or without seconds."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def body_of(form: RewardForm, zone: ZoneInfo, before: Reward | None = None) -> dict[str, Any]:
    """What to send for a form without problems. An empty field is None, which removes a value.

    The page shows times by the minute: one that the reader did not touch keeps its seconds, `before`'s.
    """
    body: dict[str, Any] = {
        "name": form.name,
        "type": form.type,
        "is_active": form.is_active != "no",
        "value": _value(form),
    }
    body |= {name: whole(getattr(form, name)) for name in _WHOLE_FIELDS}
    body |= {name: getattr(form, name) or None for name in _TEXT_FIELDS}
    for name in ("starts_at", "ends_at"):
        text = getattr(form, name)
        earlier = getattr(before, name) if before else None
        is_same = earlier is not None and text == _local(earlier, zone)
        body[name] = earlier if is_same else (_moment(text, zone) if text else None)
    return body


def _value(form: RewardForm) -> dict[str, Any] | None:
    if form.worth == "percent":
        return {"percent": decimal(form.percent)}
    if form.worth == "amount":
        return {"amount": decimal(form.amount), "currency": form.currency.upper()}
    return None


def merge(base: RewardForm, mine: RewardForm, theirs: RewardForm) -> RewardForm:
    """What to show after two people changed `base`: each field as it is in `theirs`, unless `mine`
    changed it."""
    values = {
        name: getattr(mine if getattr(mine, name) != getattr(base, name) else theirs, name)
        for name in RewardForm.__struct_fields__
    }
    return RewardForm(**values)


def why_unavailable(reward: Reward, now: datetime) -> Reason | None:
    """Why nobody can redeem the reward now, in the order of the API; None if it is offered."""
    if not reward.is_active:
        return "inactive"
    if reward.starts_at is not None and reward.starts_at > now:
        return "not_started"
    if reward.ends_at is not None and reward.ends_at <= now:
        return "ended"
    if reward.stock_left == 0:
        return "out_of_stock"
    return None


def needs_missing_tier(reward: Reward, tiers: Sequence[str] | None) -> bool:
    """Whether the reward needs a tier that is none of `tiers`; they are None if they are not known."""
    return tiers is not None and reward.min_tier is not None and reward.min_tier not in tiers


_KINDS: Final[Mapping[str, Kind]] = {
    "name": "text",
    "type": "type",
    "points_cost": "points",
    "is_active": "active",
    "description": "text",
    "value": "worth",
    "stock": "number",
    "per_customer_limit": "number",
    "starts_at": "time",
    "ends_at": "time",
    "min_tier": "text",
    "image_url": "text",
    "metadata": "pairs",
}


def differences(before: Reward | None, after: Reward) -> list[Change]:
    """Field by field; for a first version, the values that it has."""
    changes = []
    for name, kind in _KINDS.items():
        earlier = None if before is None else getattr(before, name)
        value = getattr(after, name)
        if earlier != value:
            changes.append(Change(field=name, before=earlier, after=value, kind=kind))
    return changes


def apply(form: RewardForm, reward: Reward, zone: ZoneInfo) -> Reward:
    """The reward with the values of a form without problems, to compare with another version."""
    body = body_of(form, zone, reward)
    value = cast("dict[str, Decimal] | None", body.pop("value"))
    names = (name for name in Reward.__struct_fields__ if name not in body and name != "value")
    others = {name: getattr(reward, name) for name in names}
    return Reward(**others, **body, value=None if value is None else RewardValue(**value))  # type: ignore[arg-type]
