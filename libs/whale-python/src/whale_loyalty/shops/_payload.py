"""Reading a shop's JSON: every value is checked where it is read, and a fault names its field."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from fractions import Fraction
from math import isfinite
from typing import Final

from whale_loyalty.errors import InvalidArgument

# The engine takes money with at most six decimals, and totals up to 10^12.
_MONEY: Final = re.compile(r"-?\d{1,13}(\.\d{1,6})?", re.ASCII)
_DECIMALS: Final = 6


class PayloadError(InvalidArgument):
    """A shop's payload that cannot be mapped: `field` is where, such as `refunds[0].created_at`."""

    code = "invalid_payload"

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field


class Payload:
    """An object of a payload, and its place in it. Money is read exactly, times with their offset."""

    def __init__(self, value: object, at: str = "") -> None:
        if not isinstance(value, Mapping):
            raise PayloadError(at or "payload", f"an object is needed, not {_kind(value)}")
        self._value = value
        self._at = at

    def error(self, name: str, problem: str) -> PayloadError:
        """The error for a fault in one of the object's fields."""
        return PayloadError(self._place(name), problem)

    def has(self, name: str) -> bool:
        """Whether the field is there and not null."""
        return self._value.get(name) is not None

    def has_list(self, name: str) -> bool:
        """Whether the field is a list."""
        return isinstance(self._value.get(name), list)

    def text(self, name: str) -> str:
        match self._required(name):
            case str(text) if text:
                return text
            case other:
                raise self.error(name, f"text is needed, not {_kind(other)}")

    def flag(self, name: str) -> bool:
        match self._required(name):
            case bool(flag):
                return flag
            case other:
                raise self.error(name, f"true or false is needed, not {_kind(other)}")

    def id(self, name: str) -> str:
        """An id as text: shops send numbers, and Shopify's GraphQL `gid://shopify/Order/1`."""
        match self._required(name):
            case int(number) if not isinstance(number, bool):
                return str(number)
            case str(text) if text:
                return text.rpartition("/")[2] if text.startswith("gid://") else text
            case other:
                raise self.error(name, f"an id is needed, not {_kind(other)}")

    def customer(self, name: str) -> str | None:
        """The id of the customer, or None for a guest: absent, null, empty or 0."""
        match self._value.get(name):
            case None | "" | 0:
                return None
            case _:
                return self.id(name)

    def money(self, name: str, *, absent: Fraction | None = None) -> Fraction:
        """An amount; `absent` is what a field stands for that is not there or null."""
        if absent is not None and not self.has(name):
            return absent
        match self._required(name):
            case bool() | None:
                pass
            case int(number):
                return Fraction(number)
            case Decimal() as number if number.is_finite():
                return Fraction(number)
            case float(number) if isfinite(number):
                # The shortest text that reads as this float, without the noise of binary fractions.
                return round(Fraction(repr(number)), _DECIMALS)
            case str(text) if _MONEY.fullmatch(text):
                return Fraction(text)
        raise self.error(name, f"an amount is needed, not {self._value[name]!r}")

    def part(self, name: str) -> "Payload":
        """The object in a field."""
        return Payload(self._required(name), self._place(name))

    def each(self, name: str) -> "list[Payload]":
        """The objects of a list; none where the field is not there or null."""
        found = self._value.get(name)
        if found is None:
            return []
        if not isinstance(found, Sequence) or isinstance(found, str):
            raise self.error(name, f"a list is needed, not {_kind(found)}")
        return [Payload(one, f"{self._place(name)}[{place}]") for place, one in enumerate(found)]

    def moment(self, name: str) -> str:
        """An ISO 8601 time with its offset, in UTC."""
        return self._time(name, datetime.fromisoformat)

    def moment_in_utc(self, name: str) -> str:
        """An ISO 8601 time that is meant in UTC and says no offset."""
        return self._time(name, _read_utc)

    def moment_of_mail(self, name: str) -> str:
        """An RFC 2822 time, such as `Tue, 05 Mar 2019 21:40:11 +0000`, in UTC."""
        return self._time(name, parsedate_to_datetime)

    def _time(self, name: str, read: Callable[[str], datetime]) -> str:
        text = self.text(name)
        try:
            time = read(text)
            if ":" not in text or time.tzinfo is None:
                raise self.error(name, f"a time with its offset is needed, not {text!r}")
            utc = time.astimezone(UTC)
        except (ValueError, OverflowError) as error:
            if isinstance(error, PayloadError):
                raise
            raise self.error(name, f"a time is needed, not {text!r}") from error
        return utc.isoformat().replace("+00:00", "Z")

    def _required(self, name: str) -> object:
        value = self._value.get(name)
        if value is None:
            raise self.error(name, "missing" if name not in self._value else "null")
        return value

    def _place(self, name: str) -> str:
        return f"{self._at}.{name}" if self._at else name


def _read_utc(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time


def _kind(value: object) -> str:
    return "null" if value is None else f"{type(value).__name__} {value!r}"[:80]
