"""The program as a form, and how two versions of a program differ."""

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, Protocol

from msgspec import Struct
from msgspec.structs import replace

from services.dashboard.domain import lifecycle_form
from services.dashboard.domain.changes import Change, Kind
from services.dashboard.domain.forms import decimal, plain, whole
from services.dashboard.domain.lifecycle_form import LifecycleForm
from whale_loyalty.models import Expiry, Pending, Tier

_ROW: Final = re.compile(r"tiers\.(\d{1,3})\.name", re.ASCII)
# One more than the API allows, so that the reader sees its error and not a row that is missing.
_MOST_ROWS: Final = 51


class ProgramValues(Protocol):
    """What of a program can be changed."""

    @property
    def name(self) -> str: ...
    @property
    def points_per_dollar(self) -> Decimal: ...
    @property
    def currency(self) -> str: ...
    @property
    def is_active(self) -> bool: ...
    @property
    def keep_items(self) -> bool: ...
    @property
    def tiers(self) -> list[Tier]: ...
    @property
    def time_zone(self) -> str | None: ...
    @property
    def expiry(self) -> Expiry | None: ...
    @property
    def remind_days(self) -> list[int] | None: ...
    @property
    def pending(self) -> Pending | None: ...


class Values(Struct, frozen=True, kw_only=True):
    """The values of a form that `find_problems` found no problem in."""

    name: str
    points_per_dollar: Decimal
    currency: str
    is_active: bool
    keep_items: bool
    tiers: list[Tier]
    time_zone: str | None = None
    expiry: Expiry | None = None
    remind_days: list[int] | None = None
    pending: Pending | None = None


class TierRow(Struct, frozen=True):
    """A tier as it was typed; `perks` has one per line."""

    name: str = ""
    min_points: str = ""
    multiplier: str = ""
    perks: str = ""


class ProgramForm(Struct, frozen=True, kw_only=True):
    """A program as it was typed."""

    name: str
    points_per_dollar: str
    currency: str
    is_active: bool
    keep_items: bool
    tiers: Sequence[TierRow]
    lifecycle: LifecycleForm

    def with_row(self) -> "ProgramForm":
        """With another, empty tier."""
        return replace(self, tiers=[*self.tiers, TierRow()])

    def without_row(self, number: int) -> "ProgramForm":
        """Without one of the tiers."""
        return replace(self, tiers=[*self.tiers[:number], *self.tiers[number + 1 :]])

    def without_blank_rows(self) -> "ProgramForm":
        """Without the tiers that nothing was typed into."""
        return replace(self, tiers=[row for row in self.tiers if row != TierRow()])

    @property
    def fields(self) -> dict[str, str]:
        """The fields by their names, as `parse` reads them."""
        fields = {
            "name": self.name,
            "points_per_dollar": self.points_per_dollar,
            "currency": self.currency,
            "is_active": "yes" if self.is_active else "no",
            "keep_items": "yes" if self.keep_items else "no",
        }
        for number, row in enumerate(self.tiers):
            at = f"tiers.{number}"
            fields |= {f"{at}.name": row.name, f"{at}.min_points": row.min_points}
            fields |= {f"{at}.multiplier": row.multiplier, f"{at}.perks": row.perks}
        return fields | self.lifecycle.fields


# A start for the first program: every value is there to be changed.
NEW_FORM: Final = ProgramForm(
    name="",
    points_per_dollar="10",
    currency="USD",
    is_active=True,
    keep_items=False,
    tiers=[
        TierRow("Bronze", "0", "1"),
        TierRow("Silver", "5000", "1.5"),
        TierRow("Gold", "15000", "2"),
    ],
    lifecycle=LifecycleForm(),
)


def parse(fields: Mapping[str, str]) -> ProgramForm:
    """The form that these fields are of."""

    def text(name: str) -> str:
        return str(fields.get(name, "")).strip()

    numbers = sorted({int(match[1]) for name in fields if (match := _ROW.fullmatch(name))})
    rows = [
        TierRow(*(text(f"tiers.{number}.{name}") for name in TierRow.__struct_fields__))
        for number in numbers[:_MOST_ROWS]
    ]
    return ProgramForm(
        name=text("name"),
        points_per_dollar=text("points_per_dollar"),
        currency=text("currency").upper(),
        is_active=text("is_active") != "no",
        keep_items=text("keep_items") == "yes",
        tiers=rows,
        lifecycle=lifecycle_form.parse(fields),
    )


def form_of(program: ProgramValues) -> ProgramForm:
    """The form with a program's values."""
    return ProgramForm(
        name=program.name,
        points_per_dollar=plain(program.points_per_dollar),
        currency=program.currency,
        is_active=program.is_active,
        keep_items=program.keep_items,
        tiers=[
            TierRow(
                tier.name, str(tier.min_points), plain(tier.multiplier), "\n".join(tier.perks or ())
            )
            for tier in program.tiers
        ],
        lifecycle=lifecycle_form.form_of(
            program.time_zone, program.expiry, program.remind_days, program.pending
        ),
    )


def find_problems(form: ProgramForm) -> dict[str, str]:
    """What cannot be sent: field → the name of the problem's text. The bounds are the API's."""
    problems = {}
    if decimal(form.points_per_dollar) is None:
        problems["points_per_dollar"] = _problem(form.points_per_dollar, "number")
    for number, row in enumerate(form.tiers):
        if whole(row.min_points) is None:
            problems[f"tiers.{number}.min_points"] = _problem(row.min_points, "whole")
        if decimal(row.multiplier) is None:
            problems[f"tiers.{number}.multiplier"] = _problem(row.multiplier, "number")
    return problems | lifecycle_form.find_problems(form.lifecycle)


def _problem(text: str, kind: str) -> str:
    return kind if text else "required"


def values_of(form: ProgramForm) -> Values:
    """The values of a form without problems; the tiers keep the order of the form."""
    lifecycle = lifecycle_form.values_of(form.lifecycle)
    return Values(
        name=form.name,
        points_per_dollar=decimal(form.points_per_dollar) or Decimal(0),
        currency=form.currency,
        is_active=form.is_active,
        keep_items=form.keep_items,
        tiers=[
            Tier(
                name=row.name,
                min_points=whole(row.min_points) or 0,
                multiplier=decimal(row.multiplier) or Decimal(0),
                perks=_lines(row.perks) or None,
            )
            for row in form.tiers
        ],
        time_zone=lifecycle.time_zone,
        expiry=lifecycle.expiry,
        remind_days=lifecycle.remind_days,
        pending=lifecycle.pending,
    )


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def merge(base: ProgramValues, mine: ProgramValues, theirs: ProgramValues) -> Values:
    """What to show after two people changed `base`: each field as it is in `theirs`, unless `mine`
    changed it."""

    def choose(name: str) -> Any:
        is_mine = _comparable(mine, name) != _comparable(base, name)
        return getattr(mine if is_mine else theirs, name)

    return Values(**{name: choose(name) for name in Values.__struct_fields__})


def changed_by_both(base: ProgramValues, mine: ProgramValues, theirs: ProgramValues) -> list[str]:
    """The fields that both changed, to different values."""
    return [
        name
        for name in Values.__struct_fields__
        if _comparable(base, name) != _comparable(mine, name) != _comparable(theirs, name)
        and _comparable(base, name) != _comparable(theirs, name)
    ]


def _comparable(program: ProgramValues, name: str) -> object:
    if name != "tiers":
        return lifecycle_form.comparable(getattr(program, name))
    # The API sorts the tiers, so their order in a form means nothing.
    return sorted(
        (tier.min_points, tier.name, tier.multiplier, tuple(tier.perks or ()))
        for tier in program.tiers
    )


def differences(before: ProgramValues | None, after: ProgramValues) -> list[Change]:
    """Field by field; all values of `after` for a first version."""
    changes = [
        Change(field="name", before=before and before.name, after=after.name),
        Change(
            field="points_per_dollar",
            before=before and before.points_per_dollar,
            after=after.points_per_dollar,
            kind="number",
        ),
        Change(field="currency", before=before and before.currency, after=after.currency),
        Change(
            field="is_active",
            before=before and before.is_active,
            after=after.is_active,
            kind="active",
        ),
        Change(
            field="keep_items",
            before=before is not None and before.keep_items,
            after=after.keep_items,
            kind="kept",
        ),
    ]
    plain_changes = [change for change in changes if change.before != change.after]
    lifecycle = _lifecycle_differences(before, after)
    if before is None:
        first = (Change(field="tier", before=None, after=tier, kind="tier") for tier in after.tiers)
        return [*plain_changes, *first, *lifecycle]
    return [*plain_changes, *_tier_differences(before.tiers, after.tiers), *lifecycle]


_LIFECYCLE: Final[Mapping[str, Kind]] = {
    "expiry": "expiry",
    "remind_days": "reminders",
    "pending": "pending",
    "time_zone": "zone",
}


def _lifecycle_differences(before: ProgramValues | None, after: ProgramValues) -> Iterator[Change]:
    for name, kind in _LIFECYCLE.items():
        earlier = None if before is None else _comparable(before, name)
        value = _comparable(after, name)
        if earlier != value:
            yield Change(field=name, before=earlier, after=value, kind=kind)


def _tier_differences(before: Sequence[Tier], after: Sequence[Tier]) -> Iterator[Change]:
    matches = dict(_match(before, after))
    for tier in sorted(after, key=lambda tier: tier.min_points):
        earlier = matches.get(tier.name)
        if earlier is None:
            yield Change(field="tier_added", before=None, after=tier, kind="tier")
        else:
            yield from _changes_of_tier(earlier, tier)
    remaining = {tier.name for tier in matches.values()}
    for tier in before:
        if tier.name not in remaining:
            yield Change(field="tier_removed", before=tier, after=None, kind="tier")


def _match(before: Sequence[Tier], after: Sequence[Tier]) -> Iterator[tuple[str, Tier]]:
    """Each tier's name with the same tier before: that of its name, else one that was renamed, which
    has its minimum and a name that no longer exists."""
    names = {tier.name for tier in after}
    by_name = {tier.name: tier for tier in before}
    renamed = {tier.min_points: tier for tier in before if tier.name not in names}
    for tier in after:
        earlier = by_name.get(tier.name) or renamed.get(tier.min_points)
        if earlier is not None:
            yield tier.name, earlier


def _changes_of_tier(before: Tier, after: Tier) -> Iterator[Change]:
    pairs = (
        Change(field="tier.name", before=before.name, after=after.name),
        Change(
            field="tier.min_points", before=before.min_points, after=after.min_points, kind="points"
        ),
        Change(
            field="tier.multiplier", before=before.multiplier, after=after.multiplier, kind="factor"
        ),
        Change(
            field="tier.perks",
            before=tuple(before.perks or ()),
            after=tuple(after.perks or ()),
            kind="lines",
        ),
    )
    for change in pairs:
        if change.before != change.after:
            yield replace(change, subject=before.name)
