"""The bounds of the services' own events, checked whenever one is read.

An event that exceeds a bound is forged or caused by a defect of its sender, and a value that the
database refuses must not stop a consumer. The bounds are as wide as what the services write, for
any type, status or detector: a newer service may write one that an older reader does not know. Both
the reference documentation and `breach` use them. The bounds of shops' events are in bounds.py.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any, Final

from msgspec import Struct

from libs.contracts import anomalies, api, bounds, events, lifecycle, rewards
from libs.contracts.bounds import Schema
from libs.kernel import ids
from libs.kernel.clock import parse_time

_EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LARGEST_BIGINT: Final = 2**63 - 1
_LARGEST_INTEGER: Final = 2**31 - 1
# A record of the largest size has room for more; no anomaly has this many transactions.
_MAX_TRANSACTIONS: Final = 10_000
_LONGEST_KIND: Final = 64
_UUID: Final = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_TRANSACTION_ID: Final = f"txn_{_UUID}"
_CONTROL: Final = r"\u0000-\u001f\u007f-\u009f\u2028\u2029"
_FORBIDDEN_IN_LINES: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class Bound(Struct, frozen=True):
    """The valid values of a field: as a rule in words, as a test, and as JSON Schema."""

    rule: str
    is_valid: Callable[[Any], object]
    schema: Schema


def breach(event: Struct) -> str | None:
    """The first bound that `event` exceeds, as `field: rule`, or None."""
    for name, is_valid, rule in _CHECKS[type(event)]:
        value = getattr(event, name)
        if value is not None and not is_valid(value):
            return f"{name}: {rule}"
    return None


def _text(longest: int) -> Bound:
    """Text on one line."""
    form = f"[^{_CONTROL}]{{1,{longest}}}"
    rule = f"must be 1-{longest:,} characters without control characters"
    return Bound(rule, re.compile(form).fullmatch, {"pattern": f"^{form}$"})


def _lines(longest: int) -> Bound:
    """Text of any number of lines."""

    def is_valid(value: str) -> bool:
        return len(value) <= longest and not _FORBIDDEN_IN_LINES.search(value)

    rule = (
        f"must be at most {longest:,} characters, with no control characters except tabs and line "
        "breaks"
    )
    return Bound(rule, is_valid, bounds.lines(longest))


def _integer(low: int, high: int) -> Bound:
    return Bound(
        f"must be from {low:,} to {high:,}",
        range(low, high + 1).__contains__,
        bounds.integer(low, high),
    )


def _is_time(text: str) -> bool:
    try:
        parse_time(text)
    except ValueError:
        return False
    return True


# Events of the same batch have the same times.
@lru_cache(maxsize=8_192)
def _is_time_from_1970(text: str) -> bool:
    try:
        return parse_time(text) >= _EARLIEST
    except ValueError:
        return False


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _is_amount(text: str) -> bool:
    return re.fullmatch(r"[0-9]{1,13}(\.[0-9]{1,6})?", text) is not None


def _are_texts(metadata: Mapping[str, str]) -> bool:
    return len(metadata) <= rewards.MAX_METADATA and all(
        _KEY.is_valid(key) and _VALUE.is_valid(value) for key, value in metadata.items()
    )


def _are_transactions(transaction_ids: list[str]) -> bool:
    return len(transaction_ids) <= _MAX_TRANSACTIONS and all(
        map(_TRANSACTION.is_valid, transaction_ids)
    )


def _are_lots(lots: list[events.LotRef]) -> bool:
    return all(breach(lot) is None for lot in lots)


def _nested(name: str) -> Bound:
    """A struct that has bounds of its own."""
    return Bound(
        f"must be {name}, and each part must be valid", lambda value: breach(value) is None, {}
    )


_STORE: Final = Bound(
    "must be 1-64 characters of A-Za-z0-9_-", ids.STORE_ID.fullmatch, bounds.STORE_ID
)
# Also used for customers: an older event may have a customer id that is no longer valid.
_ID: Final = Bound(
    "must be 1-128 characters without control characters",
    ids.OTHER_ID.fullmatch,
    bounds.OTHER_ID,
)
_TRANSACTION: Final = Bound(
    "must be txn_<uuid>", re.compile(_TRANSACTION_ID).fullmatch, {"pattern": f"^{_TRANSACTION_ID}$"}
)
_TIME: Final = Bound(
    "must be a time such as 2026-03-10T12:00:00.000Z", _is_time, {"format": "date-time"}
)
_TIME_FROM_1970: Final = Bound(
    "must be a time in 1970 or later", _is_time_from_1970, {"format": "date-time"}
)
_DATE: Final = Bound("must be a date such as 2027-03-31", _is_date, {"format": "date"})
_KIND: Final = _text(_LONGEST_KIND)
_NAME: Final = _text(api.MAX_NAME)
_REASON: Final = _text(api.MAX_REASON)
_KEY: Final = _text(rewards.MAX_METADATA_KEY)
_VALUE: Final = _lines(rewards.MAX_METADATA_VALUE)
_POINTS: Final = _integer(-api.MAX_BALANCE, api.MAX_BALANCE)
_FROM_0: Final = _integer(0, api.MAX_BALANCE)
_SEQUENCE: Final = _integer(1, _LARGEST_BIGINT)
_AMOUNT: Final = Bound(
    "must be a number without a sign, with at most six decimal places",
    _is_amount,
    {"pattern": r"^[0-9]{1,13}(\.[0-9]{1,6})?$"},
)


def _open_enum(*kinds: str) -> Bound:
    """A kind; `kinds` exist now, and later versions may add others."""
    description = f"One of {', '.join(kinds)}; later versions may add others."
    return Bound(_KIND.rule, _KIND.is_valid, {**_KIND.schema, "description": description})


EVENT_BOUNDS: Final[dict[type[Struct], dict[str, Bound]]] = {
    events.RewardRef: {"id": _ID, "name": _NAME},
    events.LotRef: {"points": _integer(1, api.MAX_BALANCE), "expires_on": _DATE},
    events.PointsPosted: {
        "store_id": _STORE,
        "transaction_id": _TRANSACTION,
        "customer_id": _ID,
        "sequence": _SEQUENCE,
        "type": _open_enum(
            "earn", "redeem", "refund", "void", "cancel", "adjust", "expire", "pend"
        ),
        "points": _POINTS,
        "balance_after": _POINTS,
        "lifetime_after": _FROM_0,
        "reason": _REASON,
        "occurred_at": _TIME_FROM_1970,
        "created_at": _TIME_FROM_1970,
        "program_id": _ID,
        "tier": _NAME,
        "order_id": _ID,
        "redemption_id": _ID,
        "reward": _nested("a reward's id and name"),
        "lots": Bound("must be lots, each of them valid", _are_lots, {}),
        "pending": _POINTS,
        "covered": _FROM_0,
        "available_at": _TIME_FROM_1970,
    },
    events.TierChanged: {
        "store_id": _STORE,
        "program_id": _ID,
        "customer_id": _ID,
        "sequence": _SEQUENCE,
        "lifetime_points": _FROM_0,
        "occurred_at": _TIME_FROM_1970,
        "from_": _NAME,
        "to": _NAME,
    },
    events.PointsExpiring: {
        "store_id": _STORE,
        "customer_id": _ID,
        "points": _integer(1, api.MAX_BALANCE),
        "expires_on": _DATE,
        "expires_at": _TIME_FROM_1970,
        "days_left": _integer(1, lifecycle.MAX_REMIND_DAYS),
        "balance": _POINTS,
        "occurred_at": _TIME_FROM_1970,
    },
    events.RewardWorth: {
        "amount": _AMOUNT,
        "currency": Bound(
            "must be three capital letters",
            re.compile("[A-Z]{3}").fullmatch,
            {"pattern": "^[A-Z]{3}$"},
        ),
        "percent": _AMOUNT,
    },
    events.RewardChanged: {
        "store_id": _STORE,
        "id": _ID,
        "version": _integer(1, _LARGEST_BIGINT),
        "name": _NAME,
        "points_cost": _integer(1, rewards.MAX_COST),
        "type": _open_enum("discount", "shipping", "credit", "perk"),
        "created_at": _TIME_FROM_1970,
        "description": _lines(rewards.MAX_DESCRIPTION),
        "value": _nested("an amount and its currency, or a percentage"),
        "stock": _integer(0, rewards.MAX_STOCK),
        "per_customer_limit": _integer(1, rewards.MAX_PER_CUSTOMER),
        "starts_at": _TIME,
        "ends_at": _TIME,
        "min_tier": _NAME,
        "image_url": _text(rewards.MAX_URL),
        "metadata": Bound(
            f"must have at most {rewards.MAX_METADATA} keys of up to {rewards.MAX_METADATA_KEY} characters, "
            "with valid values",
            _are_texts,
            {
                "maxProperties": rewards.MAX_METADATA,
                "propertyNames": _KEY.schema,
                "additionalProperties": {"type": "string", **_VALUE.schema},
            },
        ),
    },
    events.AnomalyChanged: {
        "store_id": _STORE,
        "id": _ID,
        "version": _integer(1, _LARGEST_INTEGER),
        "customer_id": _ID,
        "type": _open_enum(*anomalies.ANOMALY_TYPES),
        "description": _REASON,
        "points_involved": _integer(0, _LARGEST_BIGINT),
        "status": _open_enum("pending_review", "in_review", "resolved"),
        "flagged_at": _TIME_FROM_1970,
        "transaction_ids": Bound(
            f"must be at most {_MAX_TRANSACTIONS:,} ids of the form txn_<uuid>",
            _are_transactions,
            {
                "maxItems": _MAX_TRANSACTIONS,
                "items": {"type": "string", **_TRANSACTION.schema},
            },
        ),
        "resolution": _open_enum("approved", "voided", "suspended"),
        "note": _REASON,
        "reviewed_by": _REASON,
        "reviewer": _REASON,
        "resolved_at": _TIME_FROM_1970,
        "merged_into": _ID,
    },
}

_CHECKS: Final = {
    kind: tuple((name, bound.is_valid, bound.rule) for name, bound in fields.items())
    for kind, fields in EVENT_BOUNDS.items()
}
