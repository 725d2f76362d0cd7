"""Reading requests: every fault is told with its place, and as many at once as can be seen."""

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import TypeVar

import msgspec

from libs.contracts.numbers import decoder
from libs.kernel.clock import parse_time
from libs.kernel.errors import Fault, InvalidRequest
from libs.web.inspection import Inspection
from libs.web.wording import must_be_one_of

T = TypeVar("T")


class Faults:
    """Collects what is wrong with a request, to be raised together."""

    def __init__(self) -> None:
        self.found: list[Fault] = []

    def at(self, pointer: str, detail: str) -> None:
        """A value of the body, by its JSON pointer: `#/tiers/1/min_points`."""
        self.found.append(Fault(detail=detail, pointer=pointer))

    def parameter(self, name: str, detail: str) -> None:
        self.found.append(Fault(detail=detail, parameter=name))

    def header(self, name: str, detail: str) -> None:
        self.found.append(Fault(detail=detail, header=name))

    def has(self, pointer: str) -> bool:
        """Whether the value at `pointer` itself is faulty."""
        return any(fault.pointer == pointer for fault in self.found)

    def raise_if_any(self) -> None:
        """Raise InvalidRequest with all that was collected."""
        if self.found:
            raise InvalidRequest(_summary(self.found), errors=self.found)


def _summary(found: list[Fault]) -> str:
    first = found[0]
    place = first.pointer or first.parameter or first.header
    more = f" ({len(found) - 1} more)" if len(found) > 1 else ""
    return f"{place}: {first.detail}{more}"


def decode(body: bytes, kind: type[T], *, at: str = "#") -> T:
    """Read JSON as `kind`; raises InvalidRequest with every fault. `at` is where the JSON stands in
    the request's body."""
    faults = Faults()
    value = read(body, kind, faults, at=at)
    faults.raise_if_any()
    assert value is not None
    return value


def read(
    body: bytes,
    kind: type[T],
    faults: Faults,
    *,
    check: Callable[[T, Faults], None] = lambda _value, _faults: None,
    at: str = "#",
) -> T | None:
    """Read JSON as `kind`, and check its bounds with `check`, which names pointers from the body's
    root. All that is missing, unknown, of a wrong type or out of bounds goes to `faults` together;
    None where not even that much could be read."""
    try:
        value = decoder(kind).decode(body)
    except msgspec.ValidationError as error:
        return _inspect(body, kind, faults, check, at, error)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        faults.at(at, _unreadable(body, error))
        return None
    check(value, faults)
    return value


def _inspect(
    body: bytes,
    kind: type[T],
    faults: Faults,
    check: Callable[[T, Faults], None],
    at: str,
    first: msgspec.ValidationError,
) -> T | None:
    inspection = Inspection()
    try:
        value: T = inspection.read(body, kind, at)
    # The decoder may have stopped before it saw that the rest is no JSON.
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        faults.at(at, _unreadable(body, error))
        return None
    if not inspection.found:
        # A member that is there twice: the last counts, and an earlier one is faulty.
        faults.at(at, str(first))
        return None
    bounds = Faults()
    check(value, bounds)
    faults.found += inspection.found
    faults.found += [fault for fault in bounds.found if not inspection.covers(fault.pointer)]
    return value


def _unreadable(body: bytes, error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "The body is nested too deeply."
    return f"The body is not JSON: {error}" if body.strip() else "The body is empty."


class Query:
    """A request's query parameters, read one by one; unknown and repeated ones are faults."""

    def __init__(
        self, multi: Mapping[str, list[str]], faults: Faults, *, known: frozenset[str]
    ) -> None:
        self._values: dict[str, str] = {}
        self._faults = faults
        for name, values in multi.items():
            if name not in known:
                faults.parameter(name, "There is no such parameter.")
            elif len(values) > 1:
                faults.parameter(name, "This parameter may be given once.")
            else:
                self._values[name] = values[0]

    def text(self, name: str) -> str | None:
        return self._values.get(name)

    def one_of(self, name: str, allowed: tuple[str, ...]) -> str | None:
        value = self._values.get(name)
        if value is not None and value not in allowed:
            self._faults.parameter(name, must_be_one_of(allowed))
            return None
        return value

    def time(self, name: str) -> datetime | None:
        """An RFC 3339 time with an offset, in UTC."""
        value = self._values.get(name)
        try:
            return None if value is None else parse_time(value)
        except ValueError as error:
            self._faults.parameter(name, str(error))
            return None

    def date(self, name: str) -> date | None:
        """A day, as in 2026-03-10."""
        value = self._values.get(name)
        try:
            return None if value is None else datetime.strptime(value, "%Y-%m-%d").date()  # noqa: DTZ007
        except ValueError:
            self._faults.parameter(name, "A day, as in 2026-03-10.")
            return None

    def number(self, name: str, *, default: int, lowest: int, highest: int) -> int:
        value = self._values.get(name)
        if value is None:
            return default
        if not re.fullmatch(r"[0-9]{1,9}", value) or not lowest <= int(value) <= highest:
            self._faults.parameter(name, f"A whole number from {lowest} to {highest}.")
            return default
        return int(value)
