"""A validating reader of a platform's JSON: an error names the field and its path."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from fractions import Fraction
from math import isfinite
from typing import Final

from whale_loyalty.errors import InvalidArgument

# The service accepts money with at most six decimals, and totals up to 10^12.
_MONEY: Final = re.compile(r"-?\d{1,13}(\.\d{1,6})?", re.ASCII)
_DECIMALS: Final = 6


class PayloadError(InvalidArgument):
    """A payload that cannot be mapped; `field` is the path of the value, such as `refunds[0].created_at`."""

    code = "invalid_payload"

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field


class Payload:
    """An object in a payload, with its path. Each reader method validates one field."""

    def __init__(self, value: object, path: str = "") -> None:
        if not isinstance(value, Mapping):
            raise PayloadError(path or "payload", f"must be an object, not {_describe(value)}")
        self._value = value
        self._path = path

    def error(self, name: str, problem: str) -> PayloadError:
        """The error for a problem in one of the object's fields."""
        return PayloadError(self._path_of(name), problem)

    def has(self, name: str) -> bool:
        """Whether the field is present and not null."""
        return self._value.get(name) is not None

    def has_list(self, name: str) -> bool:
        """Whether the field is a list."""
        return isinstance(self._value.get(name), list)

    def text(self, name: str) -> str:
        match self._required(name):
            case str(text) if text:
                return text
            case value:
                raise self.error(name, f"must be text, not {_describe(value)}")

    def flag(self, name: str) -> bool:
        match self._required(name):
            case bool(flag):
                return flag
            case value:
                raise self.error(name, f"must be true or false, not {_describe(value)}")

    def id(self, name: str) -> str:
        """An id as text. Platforms send numbers; Shopify's GraphQL sends `gid://shopify/Order/1`."""
        match self._required(name):
            case int(number) if not isinstance(number, bool):
                return str(number)
            case str(text) if text:
                return text.rpartition("/")[2] if text.startswith("gid://") else text
            case value:
                raise self.error(name, f"must be an id, not {_describe(value)}")

    def customer_id(self, name: str) -> str | None:
        """The customer's id, or None for a guest: absent, null, empty or 0."""
        match self._value.get(name):
            case None | "" | 0:
                return None
            case _:
                return self.id(name)

    def money(self, name: str, *, absent: Fraction | None = None) -> Fraction:
        """An exact amount; `absent` is the value of a field that is absent or null."""
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
                # repr is the shortest text that parses as this float, without binary noise.
                return round(Fraction(repr(number)), _DECIMALS)
            case str(text) if _MONEY.fullmatch(text):
                return Fraction(text)
        raise self.error(name, f"must be an amount, not {self._value[name]!r}")

    def child(self, name: str) -> "Payload":
        """The object in the field."""
        return Payload(self._required(name), self._path_of(name))

    def children(self, name: str) -> "list[Payload]":
        """The objects in the list; none if the field is absent or null."""
        items = self._value.get(name)
        if items is None:
            return []
        if not isinstance(items, Sequence) or isinstance(items, str):
            raise self.error(name, f"must be a list, not {_describe(items)}")
        return [
            Payload(item, f"{self._path_of(name)}[{index}]") for index, item in enumerate(items)
        ]

    def time(self, name: str) -> str:
        """An ISO 8601 time with an offset, converted to UTC."""
        return self._read_time(name, datetime.fromisoformat)

    def utc_time(self, name: str) -> str:
        """An ISO 8601 time that is in UTC and may omit its offset."""
        return self._read_time(name, _parse_utc)

    def rfc2822_time(self, name: str) -> str:
        """An RFC 2822 time, such as `Tue, 05 Mar 2019 21:40:11 +0000`, converted to UTC."""
        return self._read_time(name, parsedate_to_datetime)

    def _read_time(self, name: str, parse: Callable[[str], datetime]) -> str:
        text = self.text(name)
        try:
            time = parse(text)
            if ":" not in text or time.tzinfo is None:
                raise self.error(name, f"must be a time with an offset, not {text!r}")
            utc = time.astimezone(UTC)
        except (ValueError, OverflowError) as error:
            if isinstance(error, PayloadError):
                raise
            raise self.error(name, f"must be a time, not {text!r}") from error
        return utc.isoformat().replace("+00:00", "Z")

    def _required(self, name: str) -> object:
        value = self._value.get(name)
        if value is None:
            raise self.error(name, "missing" if name not in self._value else "null")
        return value

    def _path_of(self, name: str) -> str:
        return f"{self._path}.{name}" if self._path else name


def _parse_utc(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time


def _describe(value: object) -> str:
    return "null" if value is None else f"{type(value).__name__} {value!r}"[:80]
