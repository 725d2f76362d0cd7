"""Identifiers: time-ordered ids of the services, and the formats of ids that callers choose."""

import re
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from uuid import NAMESPACE_URL, UUID, uuid5

import uuid_utils

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# A UUIDv7 has 48 bits for its time in milliseconds.
_LAST_MILLISECOND: Final = 2**48 - 1

# Most customer ids; only other ids need Unicode's tables.
_ASCII: Final = r"[A-Za-z0-9_.:@+|=~\-'!$&*]"
_ASCII_ID: Final = re.compile(f"{_ASCII}{{1,128}}")
_ASCII_IDS: Final = re.compile(f"(?:{_ASCII}{{1,128}}\n)*")
_PUNCTUATION: Final = frozenset("_.:@+|=~-'!$&*")
_LONGEST_CUSTOMER_ID: Final = 128
# At most four characters become one in normal form C. Normalizing a text takes time proportional to
# the square of its length, so longer texts are refused before.
_LONGEST_UNNORMALIZED: Final = 4 * _LONGEST_CUSTOMER_ID
# Not usable in a URL: as a path segment they refer to another path.
_NOT_ADDRESSABLE: Final = frozenset({".", ".."})

CUSTOMER_ID_RULE: Final = (
    "must have 1 to 128 characters, each a letter or digit of any script or one of "
    "`_.:@+|=~-'!$&*`; the ids `.` and `..` are not allowed"
)
STORE_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
# Ids of orders, refunds and other objects of a shop: any readable text on one line.
_OTHER: Final = r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]"
OTHER_ID: Final = re.compile(f"{_OTHER}{{1,128}}")
_OTHER_IDS: Final = re.compile(f"(?:{_OTHER}{{1,128}}\n)*")


def customer_id(text: str) -> str | None:
    """A shop's customer id in Unicode normal form C, or None if `text` is not a valid id: 1-128
    letters, marks and decimal digits of any script, and `_ . : @ + | = ~ - ' ! $ & *`, but neither
    `.` nor `..`."""
    normalized = customer_id_prefix(text)
    return None if normalized in _NOT_ADDRESSABLE else normalized


def are_ascii_customer_ids(texts: Sequence[str]) -> bool:
    """Whether all `texts` are valid customer ids in ASCII, which are in normal form C."""
    return _are_all(_ASCII_IDS, texts) and not _NOT_ADDRESSABLE.intersection(texts)


def are_other_ids(texts: Sequence[str]) -> bool:
    """Whether all `texts` match OTHER_ID."""
    return _are_all(_OTHER_IDS, texts)


def _are_all(lines_of_ids: re.Pattern[str], texts: Sequence[str]) -> bool:
    """Whether each text is a line of such an id: one match costs a tenth of a match per text."""
    lines = "\n".join([*texts, ""])
    return lines.count("\n") == len(texts) and lines_of_ids.fullmatch(lines) is not None


def normalize_customer_id(text: str) -> str:
    """A valid customer id in Unicode normal form C."""
    return unicodedata.normalize("NFC", text)


def customer_id_prefix(text: str) -> str | None:
    """The beginning of a customer id in Unicode normal form C, or None if no id can begin with
    `text`."""
    if text.isascii():
        return text if _ASCII_ID.fullmatch(text) else None
    if len(text) > _LONGEST_UNNORMALIZED:
        return None
    text = unicodedata.normalize("NFC", text)
    if len(text) > _LONGEST_CUSTOMER_ID or not all(map(_is_allowed, text)):
        return None
    return text


def _is_allowed(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] in "LM" or category == "Nd" or character in _PUNCTUATION


def uuid7_text() -> str:
    """A new UUIDv7 as text; cheaper than `str(uuid7())`."""
    return str(uuid_utils.uuid7())


def uuid7() -> UUID:
    """A new UUIDv7. Within a process, later ids sort after earlier ones."""
    return UUID(int=uuid_utils.uuid7().int)


def shifted_id(uuid7_text: str, shift: timedelta) -> str:
    """The UUIDv7 with its time moved by `shift`, which has whole milliseconds. Ids that are shifted alike
    keep their order."""
    return _shifted_time(uuid7_text[:13], shift) + uuid7_text[13:]


# A batch creates many ids in the same millisecond.
@lru_cache(maxsize=1_024)
def _shifted_time(first_half: str, shift: timedelta) -> str:
    milliseconds = int(first_half.replace("-", ""), 16) + shift // timedelta(milliseconds=1)
    digits = f"{milliseconds:012x}"
    return f"{digits[:8]}-{digits[8:]}"


def new_id(prefix: str) -> str:
    """A new time-ordered id with a prefix: `new_id("txn")` is `txn_<uuid>`."""
    return f"{prefix}_{uuid_utils.uuid7()}"


def derived_uuid(name: str) -> UUID:
    """The UUID that follows from a name, always the same."""
    return uuid5(NAMESPACE_URL, name)


def parse_id(prefix: str, text: str) -> UUID | None:
    """The UUID in `<prefix>_<uuid>`, or None if `text` is not such an id in canonical form."""
    try:
        value = UUID(text.removeprefix(f"{prefix}_"))
    except ValueError:
        return None
    return value if text == f"{prefix}_{value}" else None


def time_of(uuid7_text: str) -> datetime:
    """When a UUIDv7 was created, in UTC with milliseconds."""
    return _time_of(uuid7_text[:13])


# A batch creates many ids in the same millisecond.
@lru_cache(maxsize=1_024)
def _time_of(first_half: str) -> datetime:
    return _EPOCH + timedelta(milliseconds=int(first_half.replace("-", ""), 16))


def first_id_at(moment: datetime) -> UUID:
    """The lowest UUIDv7 of the millisecond of `moment`: ids created since then sort after it."""
    return UUID(int=(_milliseconds(moment) << 80) | (0x7 << 76) | (0b10 << 62))


def last_id_at(moment: datetime) -> UUID:
    """The highest UUIDv7 of the millisecond of `moment`: ids created later sort after it."""
    return UUID(int=(_milliseconds(moment) << 80) | (0x7FFF << 64) | (0b10 << 62) | (2**62 - 1))


def _milliseconds(moment: datetime) -> int:
    """The time as a UUIDv7 stores it, or the nearest time in its range."""
    return min(max((moment - _EPOCH) // timedelta(milliseconds=1), 0), _LAST_MILLISECOND)
