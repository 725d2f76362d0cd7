"""Reading requests: every fault is told with its place, and as many at once as can be seen."""

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final, TypeVar

import msgspec

from libs.contracts.numbers import decoder
from libs.kernel.clock import parse_time
from libs.kernel.errors import Fault, InvalidRequest
from libs.web.wording import must_be_one_of, wrong_value

T = TypeVar("T")

# msgspec ends its messages with the place: "Expected `int`, got `str` - at `$.tiers[1].min_points`".
_PLACE: Final = re.compile(r"^(?P<what>.*?)(?: - at `(?P<path>\$[^`]*)`)?$", re.DOTALL)
_MISSING: Final = re.compile(r"^Object missing required field `(?P<field>[^`]+)`$")
_UNKNOWN: Final = re.compile(r"^Object contains unknown field `(?P<field>[^`]+)`$")
_STEP: Final = re.compile(r"\.(?P<name>[^.\[]+)|\[(?P<index>\d+)\]|\[(?P<any>\.\.\.)\]")


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
    """Read JSON as `kind`; raises InvalidRequest with the place of the first wrong type. `at` is
    where the JSON stands in the request's body."""
    try:
        return decoder(kind).decode(body)
    except msgspec.ValidationError as error:
        pointer, what = located(str(error), kind)
        raise _invalid(at + pointer.removeprefix("#"), what) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        detail = "The body is empty." if not body.strip() else f"The body is not JSON: {error}"
        raise _invalid(at, detail) from error
    except RecursionError as error:
        raise _invalid(at, "The body is nested too deeply.") from error


def located(message: str, kind: Any) -> tuple[str, str]:
    """(JSON pointer, what is wrong) of one of msgspec's messages about a `kind`."""
    match = _PLACE.match(message)
    assert match is not None
    what, steps = match["what"], _steps(match["path"] or "$")
    if missing := _MISSING.match(what):
        return _pointer([*steps, missing["field"]]), "This field is required."
    if unknown := _UNKNOWN.match(what):
        return _pointer([*steps, unknown["field"]]), "There is no such field."
    return _pointer(steps), wrong_value(what, kind, steps)


def _steps(path: str) -> list[str]:
    return [step["name"] or step["index"] or "*" for step in _STEP.finditer(path)]


def _pointer(steps: Sequence[str]) -> str:
    return "#" + "".join(f"/{pointer_step(step)}" for step in steps)


def pointer_step(step: str) -> str:
    """A member's name as it stands in a JSON pointer."""
    return step.replace("~", "~0").replace("/", "~1")


def _invalid(pointer: str, detail: str) -> InvalidRequest:
    fault = Fault(detail=detail, pointer=pointer)
    return InvalidRequest(_summary([fault]), errors=[fault])


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
