"""Everything that is wrong with a body: the decoder stops at the first fault, this continues.

It walks the JSON along its type and decodes each value by itself. Where a value is missing or cannot
be read it puts a stand-in, so that the bounds of all other values can be checked too.
"""

import itertools
import types
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from msgspec import UNSET, Raw, Struct

from libs.contracts.numbers import Exact, Money, decoder
from libs.kernel.errors import Fault
from libs.kernel.wording import MAX_SUGGESTIONS, REQUIRED, unknown_name, wrong_value


def pointer_step(step: str) -> str:
    """A member's name as it stands in a JSON pointer."""
    return step.replace("~", "~0").replace("/", "~1")


class Inspection:
    """One walk over a body; `found` are its faults, in the order of the type's fields."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self._suggestions_left = MAX_SUGGESTIONS
        # All stand-ins differ from each other and from likely values: a rule that compares two
        # values must not find a fault that is not there.
        numbers = itertools.count(1_000_003)
        self._makers: dict[Any, Callable[[], Any]] = {
            str: lambda: f"stand-in {next(numbers)}",
            int: lambda: next(numbers),
            Decimal: lambda: Decimal(next(numbers)),
            Money: lambda: Decimal(next(numbers)),
            Exact: lambda: Decimal(next(numbers)),
            datetime: lambda: datetime.now(UTC),
            list: list,
            tuple: tuple,
            dict: dict,
            Raw: lambda: Raw(b"null"),
            # Equal to none of the choices.
            Literal: lambda: UNSET,
        }

    def read(self, raw: bytes, kind: Any, at: str) -> Any:
        """The value as `kind`, with stand-ins for what is faulty. `at` is its JSON pointer."""
        try:
            return decoder(kind).decode(raw)
        except msgspec.ValidationError as error:
            for one in _alternatives(kind):
                if (walk := self._walk_into(raw, one)) is not None:
                    return walk(at)
            self._fault(at, wrong_value(str(error), kind))
            return self._stand_in(kind)

    def covers(self, pointer: str | None) -> bool:
        """Whether the value at `pointer` is a stand-in, or part of one."""
        return pointer is not None and any(
            pointer == fault.pointer or pointer.startswith(f"{fault.pointer}/")
            for fault in self.faults
        )

    def _walk_into(self, raw: bytes, kind: Any) -> Callable[[str], Any] | None:
        """How to walk a value of this kind: None for a value without fields or items."""
        opening = raw.lstrip()[:1]
        if _is_struct(kind) and opening == b"{":
            return lambda at: self._struct(msgspec.json.decode(raw, type=dict[str, Raw]), kind, at)
        origin, inner = get_origin(kind), get_args(kind)
        if origin in {list, tuple} and opening == b"[":
            return lambda at: origin(
                self.read(bytes(item), inner[0], f"{at}/{place}")
                for place, item in enumerate(msgspec.json.decode(raw, type=list[Raw]))
            )
        if origin is dict and opening == b"{":
            return lambda at: {
                name: self.read(bytes(item), inner[1], f"{at}/{pointer_step(name)}")
                for name, item in msgspec.json.decode(raw, type=dict[str, Raw]).items()
            }
        return None

    def _struct(self, members: dict[str, Raw], kind: Any, at: str) -> Any:
        values: dict[str, Any] = {}
        for field in msgspec.structs.fields(kind):
            place = f"{at}/{field.encode_name}"
            if field.encode_name in members:
                raw = bytes(members.pop(field.encode_name))
                values[field.name] = self.read(raw, field.type, place)
            elif field.required:
                self._fault(place, REQUIRED)
                values[field.name] = self._stand_in(field.type)
        if kind.__struct_config__.forbid_unknown_fields:
            known = [field.encode_name for field in msgspec.structs.fields(kind)]
            for name in members:
                candidates = known if self._suggestions_left > 0 else ()
                self._suggestions_left -= 1
                self._fault(f"{at}/{pointer_step(name)}", unknown_name("field", name, candidates))
        return kind(**values)

    def _fault(self, at: str, detail: str) -> None:
        self.faults.append(Fault(detail=detail, pointer=at))

    def _stand_in(self, kind: Any) -> Any:
        """A value that the checks of a `kind` can read."""
        kind = next(_alternatives(kind))
        if _is_struct(kind):
            required = (field for field in msgspec.structs.fields(kind) if field.required)
            return kind(**{field.name: self._stand_in(field.type) for field in required})
        make = self._makers.get(get_origin(kind) or kind)
        return kind() if make is None else make()


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Struct)


def _alternatives(kind: Any) -> Iterator[Any]:
    """The kinds that a value may have, without null and unset."""
    origin = get_origin(kind)
    if origin in {Union, types.UnionType}:
        for one in get_args(kind):
            if one not in {types.NoneType, msgspec.UnsetType}:
                yield from _alternatives(one)
    elif origin is Annotated:
        yield from _alternatives(get_args(kind)[0])
    else:
        yield kind
