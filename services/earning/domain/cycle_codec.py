"""The encoding of a cycle: the column `accounts.cycle`.

A version byte, then MessagePack: a list of the fields in their order, dates as days since 1970. A later
version only appends fields. What an old process does not know it would drop, so a setting that needs a
new field may be used once all processes run the new version.
"""

from datetime import date
from typing import Any, Final

import msgspec

from services.earning.domain.cycles import Cycle, Wait
from services.earning.domain.lots import Part
from services.earning.domain.moves import Move

_VERSION: Final = b"\x01"
_DAY_ZERO: Final = date(1970, 1, 1).toordinal()
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder().decode


class UnknownVersion(Exception):
    """The cycle was written by a later version of this service."""


def encode(cycle: Cycle) -> bytes:
    """The bytes of a cycle; equal cycles have equal bytes."""
    return _VERSION + _encode(
        [
            cycle.epoch,
            encode_parts(cycle.lots),
            cycle.pending,
            [
                value
                for wait in cycle.waits
                for value in (_number(wait.day), wait.gives_up, wait.orders)
            ],
            _optional(cycle.active_on),
            _number(cycle.reminded_on),
            _optional(cycle.suspended_on),
            _optional(cycle.unset_on),
            _optional(cycle.inactive_on),
            cycle.is_cleared,
            [_of_move(move) for move in cycle.moves],
        ]
    )


def decode(data: bytes) -> Cycle:
    """The cycle of these bytes; raises UnknownVersion."""
    if data[:1] != _VERSION:
        raise UnknownVersion(f"The cycle has version {data[0]}; this process knows version 1.")
    fields: list[Any] = _decode(data[1:])
    epoch, parts, pending, waits, active_on, reminded_on, *pauses, is_cleared, moves = fields
    suspended_on, unset_on, inactive_on = map(_optional_date, pauses)
    return Cycle(
        epoch=epoch,
        lots=decode_parts(parts),
        pending=pending,
        waits=[
            Wait(_date(day), gives_up, orders)
            for day, gives_up, orders in zip(waits[::3], waits[1::3], waits[2::3], strict=True)
        ],
        active_on=_optional_date(active_on),
        reminded_on=_date(reminded_on),
        suspended_on=suspended_on,
        unset_on=unset_on,
        inactive_on=inactive_on,
        is_cleared=is_cleared,
        moves=tuple(map(_move, moves)),
    )


def encode_parts(parts: list[Part] | tuple[Part, ...]) -> list[int]:
    """Parts as numbers: of each the day, with its owner, and the points."""
    return [value for day, own, points in parts for value in (_number(day) * 2 + own, points)]


def decode_parts(numbers: list[int]) -> list[Part]:
    return [
        Part(_date(day >> 1), bool(day & 1), points)
        for day, points in zip(numbers[::2], numbers[1::2], strict=True)
    ]


def _number(day: date) -> int:
    return day.toordinal() - _DAY_ZERO


def _date(number: int) -> date:
    return date.fromordinal(number + _DAY_ZERO)


def _optional(day: date | None) -> int | None:
    return None if day is None else _number(day)


def _optional_date(number: int | None) -> date | None:
    return None if number is None else _date(number)


def _of_move(move: Move) -> list[int]:
    flags = move.own | move.from_never << 1 | move.by_inactivity << 2
    return [move.sequence, flags, _number(move.first), _number(move.until), _number(move.floor)]


def _move(numbers: list[int]) -> Move:
    sequence, flags, first, until, floor = numbers
    return Move(
        sequence=sequence,
        own=bool(flags & 1),
        first=_date(first),
        until=_date(until),
        floor=_date(floor),
        from_never=bool(flags & 2),
        by_inactivity=bool(flags & 4),
    )
