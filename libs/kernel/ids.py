"""Identifiers: the ones we make (time-ordered) and the forms of those that callers bring."""

import re
import unicodedata
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from uuid import UUID

import uuid_utils

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# A UUIDv7 has 48 bits for its time.
_LAST_MILLISECOND: Final = 2**48 - 1

# Most customer ids, and the only ones that need no look at Unicode's tables.
_ASCII_ID: Final = re.compile(r"[A-Za-z0-9_.:@+|=~\-'!$&*]{1,128}")
_SIGNS: Final = frozenset("_.:@+|=~-'!$&*")
_LONGEST_CUSTOMER_ID: Final = 128
# One character of normal form C is at most four before. Normalizing text without bound would take
# time with the square of its length.
_LONGEST_UNNORMALIZED: Final = 4 * _LONGEST_CUSTOMER_ID
# No browser can address them: as a step of a path they mean another one.
_NOT_ADDRESSABLE: Final = frozenset({".", ".."})

STORE_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
# Orders, refunds and whatever else a shop names: anything readable on one line.
OTHER_ID: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]{1,128}")


def customer_id(text: str) -> str | None:
    """A shop's id of a customer in its one spelling, Unicode normal form C, or None where `text` is
    no such id: 1-128 letters, marks and decimal digits of any script, and `_ . : @ + | = ~ - ' ! $
    & *`; `.` and `..` are none."""
    found = customer_id_start(text)
    return None if found in _NOT_ADDRESSABLE else found


def normalized(text: str) -> str:
    """The one spelling of a customer id that was found to be one."""
    return unicodedata.normalize("NFC", text)


def customer_id_start(text: str) -> str | None:
    """The start of a customer id in its one spelling, or None where no id starts so."""
    if text.isascii():
        return text if _ASCII_ID.fullmatch(text) else None
    if len(text) > _LONGEST_UNNORMALIZED:
        return None
    text = unicodedata.normalize("NFC", text)
    if len(text) > _LONGEST_CUSTOMER_ID or not all(map(_belongs_to_ids, text)):
        return None
    return text


def _belongs_to_ids(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] in "LM" or category == "Nd" or character in _SIGNS


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
