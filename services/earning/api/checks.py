"""The bounds of what callers send, each fault told with its place, all of them at once.

Source of the bounds: the API's documentation, "Bounds".
"""

import re
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from msgspec import UNSET, UnsetType

from libs.contracts import api
from libs.contracts.numbers import fits
from libs.kernel.ids import CUSTOMER_ID
from libs.web.body import Faults

CUSTOMER_ID_RULE: Final = "1-128 characters of A-Z a-z 0-9 _ . : @ + | = ~ -"

_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def program_create(request: api.ProgramCreate, faults: Faults) -> None:
    """A new programme: every value it has."""
    _program(
        faults,
        name=request.name,
        rate=request.points_per_dollar,
        currency=request.currency,
        tiers=request.tiers,
    )


def program_patch(request: api.ProgramPatch, faults: Faults) -> None:
    """A change: the values it names."""
    _program(
        faults,
        name=request.name,
        rate=request.points_per_dollar,
        currency=request.currency,
        tiers=request.tiers,
    )


def earn(request: api.EarnRequest, faults: Faults, *, at: str = "#") -> None:
    """A manual award; `at` is where it stands in the body."""
    customer_id(request.customer_id, faults, at=f"{at}/customer_id")
    if not 1 <= request.points <= api.MAX_MANUAL_POINTS:
        faults.at(f"{at}/points", f"from 1 to {api.MAX_MANUAL_POINTS:,}")
    text(request.reason, faults, at=f"{at}/reason", longest=api.MAX_REASON)


def adjust(request: api.AdjustRequest, faults: Faults) -> None:
    """A correction by hand."""
    customer_id(request.customer_id, faults, at="#/customer_id")
    if request.points == 0 or abs(request.points) > api.MAX_MANUAL_POINTS:
        limit = f"{api.MAX_MANUAL_POINTS:,}"
        faults.at("#/points", f"from -{limit} to {limit}, but not 0")
    text(request.reason, faults, at="#/reason", longest=api.MAX_REASON)


def batch(request: api.EarnBatchRequest, faults: Faults) -> None:
    """The envelope of a batch; its items are judged one by one."""
    if not 1 <= len(request.items) <= api.MAX_BATCH_ITEMS:
        faults.at("#/items", f"1-{api.MAX_BATCH_ITEMS} items")


def customer_patch(request: api.CustomerPatch, faults: Faults) -> None:
    """A change of status."""
    if request.note is not None:
        text(request.note, faults, at="#/note", longest=api.MAX_REASON)


def customer_id(value: str, faults: Faults, *, at: str) -> None:
    if not CUSTOMER_ID.fullmatch(value):
        faults.at(at, CUSTOMER_ID_RULE)


def text(value: str, faults: Faults, *, at: str, longest: int) -> None:
    """A name, reason or note: some readable text of up to `longest` characters."""
    if not 1 <= len(value) <= longest:
        faults.at(at, f"1-{longest} characters")
    elif _CONTROL.search(value) or not value.strip():
        faults.at(at, "readable text without control characters")


def _program(
    faults: Faults,
    *,
    name: str | UnsetType,
    rate: Decimal | UnsetType,
    currency: str | UnsetType,
    tiers: Sequence[api.TierInput] | UnsetType | None,
) -> None:
    if name is not UNSET:
        text(name, faults, at="#/name", longest=api.MAX_NAME)
    if rate is not UNSET:
        _positive(rate, faults, at="#/points_per_dollar", highest=api.MAX_RATE)
    if currency is not UNSET and not _CURRENCY.fullmatch(currency):
        faults.at("#/currency", "three capital letters, as in USD")
    if tiers:
        _tiers(tiers, faults)


def _tiers(tiers: Sequence[api.TierInput], faults: Faults) -> None:
    if len(tiers) > api.MAX_TIERS:
        faults.at("#/tiers", f"at most {api.MAX_TIERS} tiers")
        return
    names = Counter(tier.name for tier in tiers)
    starts = Counter(tier.min_points for tier in tiers)
    for index, tier in enumerate(tiers):
        at = f"#/tiers/{index}"
        text(tier.name, faults, at=f"{at}/name", longest=api.MAX_NAME)
        if names[tier.name] > 1:
            faults.at(f"{at}/name", "another tier has the same name")
        if not 0 <= tier.min_points <= api.MAX_BALANCE:
            faults.at(f"{at}/min_points", f"from 0 to {api.MAX_BALANCE:,}")
        elif starts[tier.min_points] > 1:
            faults.at(f"{at}/min_points", "another tier has the same min_points")
        _positive(tier.multiplier, faults, at=f"{at}/multiplier", highest=api.MAX_MULTIPLIER)
        _perks(tier.perks or [], faults, at=f"{at}/perks")


def _perks(perks: Sequence[str], faults: Faults, *, at: str) -> None:
    if len(perks) > api.MAX_PERKS:
        faults.at(at, f"at most {api.MAX_PERKS} perks")
        return
    for index, perk in enumerate(perks):
        text(perk, faults, at=f"{at}/{index}", longest=api.MAX_REASON)


def _positive(value: Decimal, faults: Faults, *, at: str, highest: int) -> None:
    if not fits(value, low=0, high=highest) or value == 0:
        faults.at(at, f"over 0 and up to {highest:,}, with at most six decimals")
