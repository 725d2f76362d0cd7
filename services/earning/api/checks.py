"""The bounds of request bodies: every fault is reported, each with its place.

Source of the bounds: the API's documentation, "Bounds".
"""

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from msgspec import UNSET, UnsetType

from libs.contracts import api, order_api, program_api
from libs.contracts.numbers import fits
from libs.kernel.clock import parse_date, parse_time
from libs.kernel.ids import OTHER_ID
from libs.web import checks as shared
from libs.web.body import Faults
from services.earning.api import lifecycle_checks

_NEGATIVE_AWARD: Final = (
    f"must be from 1 to {api.MAX_MANUAL_POINTS:,}; to remove points, use /loyalty/adjust"
)


def program_create(request: program_api.ProgramCreate, faults: Faults) -> None:
    """All values of a new program."""
    _program(
        faults,
        name=request.name,
        rate=request.points_per_dollar,
        currency=request.currency,
        tiers=request.tiers,
    )
    _lifecycle(request, faults)


def program_patch(request: program_api.ProgramPatch, faults: Faults) -> None:
    """The values that a patch names."""
    shared.version(None if request.version is UNSET else request.version, faults)
    _program(
        faults,
        name=request.name,
        rate=request.points_per_dollar,
        currency=request.currency,
        tiers=request.tiers,
    )
    _lifecycle(request, faults)


def _lifecycle(
    request: program_api.ProgramCreate | program_api.ProgramPatch, faults: Faults
) -> None:
    """The settings that decide when points expire and how long they wait."""
    lifecycle_checks.time_zone(request.time_zone, faults)
    lifecycle_checks.expiry(request.expiry, faults)
    lifecycle_checks.remind_days(request.remind_days, faults)
    lifecycle_checks.pending(request.pending, faults)


def earn(request: api.EarnRequest, faults: Faults, *, at: str = "#") -> None:
    """A manual award; `at` is its place in the body."""
    shared.customer_id(request.customer_id, faults, at=f"{at}/customer_id")
    if request.points < 0:
        faults.at(f"{at}/points", _NEGATIVE_AWARD)
    else:
        shared.whole(request.points, faults, at=f"{at}/points", low=1, high=api.MAX_MANUAL_POINTS)
    shared.text(request.reason, faults, at=f"{at}/reason", longest=api.MAX_REASON)
    _last_day(request.expires_on, faults, at=f"{at}/expires_on")


def _last_day(value: str | UnsetType | None, faults: Faults, *, at: str) -> None:
    """A date of the points' own. How far ahead it may be depends on the store's clock and zone, which the rule
    knows."""
    if isinstance(value, str):
        try:
            parse_date(value)
        except ValueError as error:
            faults.at(at, str(error))


def clock(request: api.ClockRequest, faults: Faults) -> None:
    """What a store's clock is to show. How far ahead it may be depends on the real time, which the use case
    reads."""
    try:
        parse_time(request.now)
    except ValueError as error:
        faults.at("#/now", str(error))


def adjust(request: api.AdjustRequest, faults: Faults) -> None:
    """A manual correction."""
    shared.customer_id(request.customer_id, faults, at="#/customer_id")
    if request.points == 0 or abs(request.points) > api.MAX_MANUAL_POINTS:
        limit = f"{api.MAX_MANUAL_POINTS:,}"
        faults.at("#/points", f"must be from -{limit} to {limit}, and not 0")
    shared.text(request.reason, faults, at="#/reason", longest=api.MAX_REASON)
    if request.points < 0 and request.expires_on is not UNSET:
        faults.at("#/expires_on", "is possible only with points above 0")
    else:
        _last_day(request.expires_on, faults, at="#/expires_on")


def batch(request: api.EarnBatchRequest, faults: Faults) -> None:
    """The envelope of a batch; each item is checked on its own."""
    if not 1 <= len(request.items) <= api.MAX_BATCH_ITEMS:
        faults.at("#/items", f"must have 1 to {api.MAX_BATCH_ITEMS} items")


def replay(request: order_api.DeadLetterReplay, faults: Faults) -> None:
    """The dead letters to replay; an id of any form may be unknown."""
    _some(request.ids, faults, at="#/ids")
    for place, letter_id in enumerate(request.ids):
        _other_id(letter_id, faults, at=f"#/ids/{place}")


def release(request: order_api.OrderRelease, faults: Faults) -> None:
    """The order whose points are released."""
    _other_id(request.order_id, faults, at="#/order_id")


def recheck(request: order_api.OrderRecheck, faults: Faults) -> None:
    """The orders to check again."""
    _some(request.order_ids, faults, at="#/order_ids")
    for place, order_id in enumerate(request.order_ids):
        _other_id(order_id, faults, at=f"#/order_ids/{place}")


def _some(ids: Sequence[str], faults: Faults, *, at: str) -> None:
    if not 1 <= len(ids) <= api.MAX_BATCH_ITEMS:
        faults.at(at, f"must have 1 to {api.MAX_BATCH_ITEMS} ids")


def _other_id(value: str, faults: Faults, *, at: str) -> None:
    if not OTHER_ID.fullmatch(value):
        faults.at(at, shared.OTHER_ID_RULE)


def customer_patch(request: api.CustomerPatch, faults: Faults) -> None:
    """A change of status."""
    if request.note is not None:
        shared.text(request.note, faults, at="#/note", longest=api.MAX_REASON)


def _program(
    faults: Faults,
    *,
    name: str | UnsetType,
    rate: Decimal | UnsetType,
    currency: str | UnsetType,
    tiers: Sequence[program_api.TierInput] | UnsetType | None,
) -> None:
    if name is not UNSET:
        shared.text(name, faults, at="#/name", longest=api.MAX_NAME)
    if rate is not UNSET:
        _positive(rate, faults, at="#/points_per_dollar", highest=api.MAX_RATE)
    if currency is not UNSET:
        shared.currency(currency, faults, at="#/currency")
    if tiers:
        _tiers(tiers, faults)


def _tiers(tiers: Sequence[program_api.TierInput], faults: Faults) -> None:
    if len(tiers) > api.MAX_TIERS:
        faults.at("#/tiers", f"must have up to {api.MAX_TIERS} tiers")
        return
    names = Counter(tier.name for tier in tiers)
    starts = Counter(tier.min_points for tier in tiers)
    for index, tier in enumerate(tiers):
        at = f"#/tiers/{index}"
        shared.text(tier.name, faults, at=f"{at}/name", longest=api.MAX_NAME)
        if names[tier.name] > 1:
            faults.at(f"{at}/name", "must not be the name of another tier")
        if not 0 <= tier.min_points <= api.MAX_BALANCE:
            faults.at(f"{at}/min_points", f"must be from 0 to {api.MAX_BALANCE:,}")
        elif starts[tier.min_points] > 1:
            faults.at(f"{at}/min_points", "must not be the min_points of another tier")
        _positive(tier.multiplier, faults, at=f"{at}/multiplier", highest=api.MAX_MULTIPLIER)
        _perks(tier.perks or [], faults, at=f"{at}/perks")


def _perks(perks: Sequence[str], faults: Faults, *, at: str) -> None:
    if len(perks) > api.MAX_PERKS:
        faults.at(at, f"must have up to {api.MAX_PERKS} perks")
        return
    for index, perk in enumerate(perks):
        shared.text(perk, faults, at=f"{at}/{index}", longest=api.MAX_REASON)


def _positive(value: Decimal, faults: Faults, *, at: str, highest: int) -> None:
    if not fits(value, low=0, high=highest) or value == 0:
        faults.at(
            at, f"must be greater than 0, have up to six decimal places, and be at most {highest:,}"
        )
