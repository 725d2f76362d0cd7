"""Reading requests: all faults that can be found are reported together, each with its place."""

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Final, TypeVar

import msgspec

from libs.contracts.numbers import decoder
from libs.kernel.clock import parse_time
from libs.kernel.errors import Fault, InvalidRequest
from libs.kernel.wording import MAX_SUGGESTIONS, must_be_one_of, not_json, unknown_name
from libs.web.inspection import Inspection

T = TypeVar("T")

# The detail shows at most this many faults; `errors` has all of them.
_SUMMARIZED: Final = 3


class Faults:
    """Collects what is wrong with a request, to be raised together."""

    def __init__(self) -> None:
        self.all: list[Fault] = []

    def at(self, pointer: str, detail: str) -> None:
        """Add a fault in the value at a JSON pointer into the body, such as `#/tiers/1/min_points`."""
        self.all.append(Fault(detail=detail, pointer=pointer))

    def parameter(self, name: str, detail: str) -> None:
        self.all.append(Fault(detail=detail, parameter=name))

    def header(self, name: str, detail: str) -> None:
        self.all.append(Fault(detail=detail, header=name))

    def has(self, pointer: str) -> bool:
        """Whether the value at `pointer` itself is faulty."""
        return any(fault.pointer == pointer for fault in self.all)

    def raise_if_any(self) -> None:
        """Raise InvalidRequest with all that was collected."""
        if self.all:
            raise InvalidRequest(_summary(self.all), errors=self.all)


def _summary(faults: list[Fault]) -> str:
    text = "; ".join(map(_sentence, faults[:_SUMMARIZED]))
    more = len(faults) - _SUMMARIZED
    if more > 0:
        return f"{text}; and {more} more in `errors`."
    return text if text.endswith((".", "?")) else f"{text}."


def _sentence(fault: Fault) -> str:
    if fault.pointer == "#":
        return f"The body {fault.detail}"
    return f"{fault.pointer or fault.parameter or fault.header}: {fault.detail}"


def decode(body: bytes, kind: type[T], *, at: str = "#") -> T:
    """Read JSON as `kind`; raises InvalidRequest with every fault. `at` is where this JSON is in the
    request's body, as a JSON pointer."""
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
    """Read JSON as `kind`, and check its bounds with `check`. Every missing or unknown field, wrong
    type and broken bound is added to `faults`. The pointers of the faults that `check` adds must start
    at the root of the request's body: `at` is not put in front of them.

    Returns None if the body is not JSON, or if a field occurs twice and its first value is invalid.
    Otherwise, if faults were found, the returned value may contain stand-ins: use it only after
    `faults.raise_if_any()`."""
    try:
        value = decoder(kind).decode(body)
    except msgspec.ValidationError:
        return _inspect(body, kind, faults, check, at)
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
) -> T | None:
    inspection = Inspection()
    try:
        value: T = inspection.read(body, kind, at)
    # Before this inspection, the decoder stopped at the first invalid value: malformed JSON beyond that
    # value is found only here.
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        faults.at(at, _unreadable(body, error))
        return None
    if not inspection.faults:
        # No fault was found, so a field occurs twice: the inspection reads only the last occurrence, and
        # an earlier one has the fault.
        faults.at(at, "must not have the same field twice")
        return None
    bounds = Faults()
    check(value, bounds)
    faults.all += inspection.faults
    faults.all += [fault for fault in bounds.all if not inspection.covers(fault.pointer)]
    return value


def _unreadable(body: bytes, error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "is nested too deeply"
    return not_json(body, str(error))


class Query:
    """A request's query parameters, read one by one; unknown and repeated ones are faults."""

    def __init__(
        self, values_by_name: Mapping[str, list[str]], faults: Faults, *, known: frozenset[str]
    ) -> None:
        self._values: dict[str, str] = {}
        self._faults = faults
        suggestions_left = MAX_SUGGESTIONS
        for name, values in values_by_name.items():
            if name not in known:
                candidates = known if suggestions_left > 0 else ()
                suggestions_left -= 1
                faults.parameter(name, unknown_name("parameter", name, candidates))
            elif len(values) > 1:
                faults.parameter(name, "must not be repeated")
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

    def some_of(self, name: str, allowed: tuple[str, ...]) -> tuple[str, ...]:
        """The values of a parameter that may have several, separated by commas; none without it."""
        value = self._values.get(name)
        if value is None:
            return ()
        values = tuple(dict.fromkeys(value.split(",")))
        if not set(values) <= set(allowed):
            self._faults.parameter(
                name, f"{must_be_one_of(allowed)}, or several separated by commas"
            )
            return ()
        return values

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
            self._faults.parameter(name, "must be a date, as in 2026-03-10")
            return None

    def number(self, name: str, *, default: int, lowest: int, highest: int) -> int:
        value = self._values.get(name)
        if value is None:
            return default
        if not re.fullmatch(r"[0-9]{1,9}", value) or not lowest <= int(value) <= highest:
            self._faults.parameter(name, f"must be a whole number from {lowest} to {highest}")
            return default
        return int(value)
