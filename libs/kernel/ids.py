"""Identifiers: the ones we make (time-ordered) and the forms of those that callers bring."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from uuid import UUID

import uuid_utils

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# A UUIDv7 has 48 bits for its time.
_LAST_MILLISECOND: Final = 2**48 - 1

CUSTOMER_ID: Final = re.compile(r"[A-Za-z0-9_.:@+|=~-]{1,128}")
STORE_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
# Orders, refunds and whatever else a shop names: anything readable on one line.
OTHER_ID: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]{1,128}")


def uuid7_text() -> str:
    """The same as `uuid7`, spelt out; the cheapest to make."""
    return str(uuid_utils.uuid7())


def uuid7() -> UUID:
    """A UUIDv7: later ones sort after earlier ones made in the same process."""
    return UUID(int=uuid_utils.uuid7().int)


def new_id(prefix: str) -> str:
    """`new_id("txn")` is `txn_<uuid>`, time-ordered."""
    return f"{prefix}_{uuid_utils.uuid7()}"


def parse_id(prefix: str, text: str) -> UUID | None:
    """The UUID in `<prefix>_<uuid>`, or None where `text` is not such an id in its one spelling."""
    try:
        value = UUID(text.removeprefix(f"{prefix}_"))
    except ValueError:
        return None
    return value if text == f"{prefix}_{value}" else None


def time_of(uuid7_text: str) -> datetime:
    """When a UUIDv7 was made, in UTC milliseconds."""
    return _time_of(uuid7_text[:13])


# A batch makes many ids in one millisecond.
@lru_cache(maxsize=1_024)
def _time_of(first_half: str) -> datetime:
    return _EPOCH + timedelta(milliseconds=int(first_half.replace("-", ""), 16))


def first_id_at(moment: datetime) -> UUID:
    """The lowest UUIDv7 of the millisecond of `moment`: ids made since then sort after it."""
    return UUID(int=(_milliseconds(moment) << 80) | (0x7 << 76) | (0b10 << 62))


def last_id_at(moment: datetime) -> UUID:
    """The highest UUIDv7 of the millisecond of `moment`: ids made later sort after it."""
    return UUID(int=(_milliseconds(moment) << 80) | (0x7FFF << 64) | (0b10 << 62) | (2**62 - 1))


def _milliseconds(moment: datetime) -> int:
    """The moment as a UUIDv7 holds it, or the nearest one that fits."""
    return min(max((moment - _EPOCH) // timedelta(milliseconds=1), 0), _LAST_MILLISECOND)
