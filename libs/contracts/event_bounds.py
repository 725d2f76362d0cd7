"""The bounds of our own events, held whenever one is read.

An event of ours that breaks one is forged or a defect of its sender, and what the database refuses
must not stop a consumer. So they are as wide as what the services write, whatever the type, the
status or the detector: a newer service may write one that an older reader does not know. Both the
reference and `breach` take them from here. The bounds of shops' events stand in bounds.py.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

from msgspec import Struct

from libs.contracts import anomalies, api, bounds, events, rewards
from libs.contracts.bounds import Schema
from libs.kernel import ids
from libs.kernel.clock import parse_time

_EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LARGEST_BIGINT: Final = 2**63 - 1
_LARGEST_INTEGER: Final = 2**31 - 1
# What a record of the largest size holds of them is more; so many stand in no anomaly.
_MAX_TRANSACTIONS: Final = 10_000
_LONGEST_KIND: Final = 64
_UUID: Final = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_TRANSACTION_ID: Final = f"txn_{_UUID}"
_CONTROL: Final = r"\u0000-\u001f\u007f-\u009f\u2028\u2029"
_NO_LINE: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class Bound(Struct, frozen=True):
    """What a value must be: in words, as a test of it, and as JSON Schema."""

    words: str
    holds: Callable[[Any], object]
    schema: Schema


def breach(event: Struct) -> str | None:
    """The first bound that `event` breaks, as `field: what it must be`; None where all hold."""
    for name, holds, words in _CHECKS[type(event)]:
        value = getattr(event, name)
        if value is not None and not holds(value):
            return f"{name}: {words}"
    return None


def _text(longest: int) -> Bound:
    """Text on one line."""
    form = f"[^{_CONTROL}]{{1,{longest}}}"
    words = f"1-{longest:,} characters, none of them a control character"
    return Bound(words, re.compile(form).fullmatch, {"pattern": f"^{form}$"})


def _lines(longest: int) -> Bound:
    """Text of several lines, or none."""

    def holds(value: str) -> bool:
        return len(value) <= longest and not _NO_LINE.search(value)

    words = f"up to {longest:,} characters, none of them a control character but line breaks"
    return Bound(words, holds, bounds.lines(longest))


def _whole(low: int, high: int) -> Bound:
    return Bound(
        f"from {low:,} to {high:,}", range(low, high + 1).__contains__, bounds.whole(low, high)
    )


def _is_time(text: str) -> bool:
    try:
        parse_time(text)
    except ValueError:
        return False
    return True


# What is posted together has the same times.
@lru_cache(maxsize=8_192)
def _is_modern(text: str) -> bool:
    try:
        return parse_time(text) >= _EARLIEST
    except ValueError:
        return False


def _is_amount(text: str) -> bool:
    return re.fullmatch(r"[0-9]{1,13}(\.[0-9]{1,6})?", text) is not None


def _are_texts(metadata: Mapping[str, str]) -> bool:
    return len(metadata) <= rewards.MAX_METADATA and all(
        _KEY.holds(key) and _VALUE.holds(value) for key, value in metadata.items()
    )


def _are_transactions(transaction_ids: list[str]) -> bool:
    return len(transaction_ids) <= _MAX_TRANSACTIONS and all(
        map(_TRANSACTION.holds, transaction_ids)
    )


def _inner(of: str) -> Bound:
    """A struct that has bounds of its own."""
    return Bound(f"{of} within its bounds", lambda value: breach(value) is None, {})


_STORE: Final = Bound("1-64 of A-Za-z0-9_-", ids.STORE_ID.fullmatch, bounds.STORE_ID)
# A customer's among them: an older event may name one that is none by today's rule.
_ID: Final = Bound(
    "1-128 characters, none of them a control character",
    ids.OTHER_ID.fullmatch,
    bounds.OTHER_ID,
)
_TRANSACTION: Final = Bound(
    "txn_<uuid>", re.compile(_TRANSACTION_ID).fullmatch, {"pattern": f"^{_TRANSACTION_ID}$"}
)
_TIME: Final = Bound("a time, as in 2026-03-10T12:00:00.000Z", _is_time, {"format": "date-time"})
_MODERN: Final = Bound("a time from 1970 on", _is_modern, {"format": "date-time"})
_KIND: Final = _text(_LONGEST_KIND)
_NAME: Final = _text(api.MAX_NAME)
_REASON: Final = _text(api.MAX_REASON)
_KEY: Final = _text(rewards.MAX_METADATA_KEY)
_VALUE: Final = _lines(rewards.MAX_METADATA_VALUE)
_POINTS: Final = _whole(-api.MAX_BALANCE, api.MAX_BALANCE)
_FROM_0: Final = _whole(0, api.MAX_BALANCE)
_SEQUENCE: Final = _whole(1, _LARGEST_BIGINT)
_AMOUNT: Final = Bound(
    "digits with at most six decimals", _is_amount, {"pattern": r"^[0-9]{1,13}(\.[0-9]{1,6})?$"}
)


def _known_kinds(*kinds: str) -> Bound:
    """A kind, of which those that exist now are told."""
    listed = ", ".join(kinds)
    told = {**_KIND.schema, "description": f"One of {listed}; others may come."}
    return Bound(_KIND.words, _KIND.holds, told)


EVENT_BOUNDS: Final[dict[type[Struct], dict[str, Bound]]] = {
    events.RewardRef: {"id": _ID, "name": _NAME},
    events.PointsPosted: {
        "store_id": _STORE,
        "transaction_id": _TRANSACTION,
        "customer_id": _ID,
        "sequence": _SEQUENCE,
        "type": _known_kinds("earn", "redeem", "refund", "void", "cancel", "adjust", "expire"),
        "points": _POINTS,
        "balance_after": _POINTS,
        "lifetime_after": _FROM_0,
        "reason": _REASON,
        "occurred_at": _MODERN,
        "created_at": _MODERN,
        "program_id": _ID,
        "tier": _NAME,
        "order_id": _ID,
        "redemption_id": _ID,
        "reward": _inner("a reward's id and name"),
    },
    events.TierChanged: {
        "store_id": _STORE,
        "program_id": _ID,
        "customer_id": _ID,
        "sequence": _SEQUENCE,
        "lifetime_points": _FROM_0,
        "occurred_at": _MODERN,
        "from_": _NAME,
        "to": _NAME,
    },
    events.RewardWorth: {
        "amount": _AMOUNT,
        "currency": Bound(
            "three capital letters", re.compile("[A-Z]{3}").fullmatch, {"pattern": "^[A-Z]{3}$"}
        ),
        "percent": _AMOUNT,
    },
    events.RewardChanged: {
        "store_id": _STORE,
        "id": _ID,
        "version": _whole(1, _LARGEST_BIGINT),
        "name": _NAME,
        "points_cost": _whole(1, rewards.MAX_COST),
        "type": _known_kinds("discount", "shipping", "credit", "perk"),
        "created_at": _MODERN,
        "description": _lines(rewards.MAX_DESCRIPTION),
        "value": _inner("an amount and its currency, or a percentage,"),
        "stock": _whole(0, rewards.MAX_STOCK),
        "per_customer_limit": _whole(1, rewards.MAX_PER_CUSTOMER),
        "starts_at": _TIME,
        "ends_at": _TIME,
        "min_tier": _NAME,
        "image_url": _text(rewards.MAX_URL),
        "metadata": Bound(
            f"up to {rewards.MAX_METADATA} texts by short names",
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
        "version": _whole(1, _LARGEST_INTEGER),
        "customer_id": _ID,
        "type": _known_kinds(*anomalies.ANOMALY_TYPES),
        "description": _REASON,
        "points_involved": _whole(0, _LARGEST_BIGINT),
        "status": _known_kinds("pending_review", "in_review", "resolved"),
        "flagged_at": _MODERN,
        "transaction_ids": Bound(
            f"up to {_MAX_TRANSACTIONS:,} of txn_<uuid>",
            _are_transactions,
            {
                "maxItems": _MAX_TRANSACTIONS,
                "items": {"type": "string", **_TRANSACTION.schema},
            },
        ),
        "resolution": _known_kinds("approved", "voided", "suspended"),
        "note": _REASON,
        "reviewed_by": _REASON,
        "resolved_at": _MODERN,
        "merged_into": _ID,
    },
}

_CHECKS: Final = {
    kind: tuple((name, bound.holds, bound.words) for name, bound in held.items())
    for kind, held in EVENT_BOUNDS.items()
}
