"""Everything that is wrong with a body: the decoder stops at the first fault, this goes on.

It walks the JSON along its type, decodes each value by itself, and puts a stand-in where a value is
missing or cannot be read, so that the bounds of all the others can be checked too.
"""

import itertools
import types
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import msgspec
from msgspec import UNSET, Raw, Struct

from libs.contracts.numbers import Exact, Money, decoder
from libs.kernel.errors import Fault
from libs.web.wording import wrong_value

REQUIRED: Final = "This field is required."
UNKNOWN: Final = "There is no such field."


def pointer_step(step: str) -> str:
    """A member's name as it stands in a JSON pointer."""
    return step.replace("~", "~0").replace("/", "~1")


class Inspection:
    """One walk over a body; `found` are its faults, in the order of the type's fields."""

    def __init__(self) -> None:
        self.found: list[Fault] = []
        # No two stand-ins are equal, and none is like what people send: else a rule that compares
        # two values would find a fault that is not there.
        numbers = itertools.count(1_000_003)
        self._makers: dict[Any, Callable[[], Any]] = {
            str: lambda: f"stand-in {next(numbers)}",
            int: lambda: next(numbers),
            Decimal: lambda: Decimal(next(numbers)),
            Money: lambda: Decimal(next(numbers)),
            Exact: lambda: Decimal(next(numbers)),
            datetime: lambda: datetime.now(UTC),
            list: list,
            dict: dict,
            Raw: lambda: Raw(b"null"),
            # Like none of the choices.
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
            for fault in self.found
        )

    def _walk_into(self, raw: bytes, kind: Any) -> Callable[[str], Any] | None:
        """How to go on inside a value of this kind, where it is one that has an inside."""
        opening = raw.lstrip()[:1]
        if _is_struct(kind) and opening == b"{":
            return lambda at: self._struct(msgspec.json.decode(raw, type=dict[str, Raw]), kind, at)
        origin, inner = get_origin(kind), get_args(kind)
        if origin is list and opening == b"[":
            return lambda at: [
                self.read(bytes(item), inner[0], f"{at}/{place}")
                for place, item in enumerate(msgspec.json.decode(raw, type=list[Raw]))
            ]
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
            for name in members:
                self._fault(f"{at}/{pointer_step(name)}", UNKNOWN)
        return kind(**values)

    def _fault(self, at: str, detail: str) -> None:
        self.found.append(Fault(detail=detail, pointer=at))

    def _stand_in(self, kind: Any) -> Any:
        """A value that code which checks a `kind` can look at."""
        kind = next(_alternatives(kind))
        if _is_struct(kind):
            required = (field for field in msgspec.structs.fields(kind) if field.required)
            return kind(**{field.name: self._stand_in(field.type) for field in required})
        make = self._makers.get(get_origin(kind) or kind)
        return kind() if make is None else make()


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Struct)


def _alternatives(kind: Any) -> Iterator[Any]:
    """The kinds that a value may have, null and absent ones left out."""
    origin = get_origin(kind)
    if origin in {Union, types.UnionType}:
        for one in get_args(kind):
            if one not in {types.NoneType, msgspec.UnsetType}:
                yield from _alternatives(one)
    elif origin is Annotated:
        yield from _alternatives(get_args(kind)[0])
    else:
        yield kind
