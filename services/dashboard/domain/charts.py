"""The geometry of charts: from values to coordinates, in units of the SVG's own box."""

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from msgspec import Struct

_STEPS: Final = (1, 2, 5, 10)
# The share of a column's slot that stays empty.
_GAP: Final = 0.28
_LEAST_HEIGHT: Final = 1.5


class Tick(Struct, frozen=True):
    """A value of an axis, and where it is."""

    value: float
    position: float


class Column(Struct, frozen=True):
    """A bar that stands on the baseline; `slot` is where its share of the width begins."""

    x: float
    y: float
    width: float
    height: float
    value: int
    slot: float
    slot_width: float


class Columns(Struct, frozen=True):
    """A chart of columns in a box of `width` × `height`."""

    width: float
    height: float
    columns: tuple[Column, ...]
    ticks: tuple[Tick, ...]

    def path(self, *, start: int = 0, end: int | None = None) -> str:
        """The columns from `start` up to `end` as one path, a third as long as an element for each."""
        return "".join(
            f"M{one.x:g} {self.height:g}v-{one.height:g}h{one.width:g}v{one.height:g}z"
            for one in self.columns[start:end]
            if one.height
        )


class Line(Struct, frozen=True):
    """A line through the values, as the points of a polyline, and the area under it."""

    width: float
    height: float
    points: str
    area: str
    end: tuple[float, float]
    ticks: tuple[Tick, ...]


class Mark(Struct, frozen=True):
    """An event on a timeline: `is_marked` stands out by its shape as well."""

    at: datetime
    value: int
    is_marked: bool
    label: str = ""


class PlacedMark(Struct, frozen=True):
    """A mark and where it is."""

    mark: Mark
    x: float
    y: float


class Timeline(Struct, frozen=True):
    """Events over time: higher values are higher up; `threshold` is the position of a limit."""

    width: float
    height: float
    marks: tuple[PlacedMark, ...]
    ticks: tuple[Tick, ...]
    threshold: float | None


def axis_ticks(highest: float, *, most: int = 3) -> list[float]:
    """Up to `most` round values above 0, the last one at or above `highest`."""
    if highest <= 0:
        return [1.0]
    raw = highest / most
    magnitude = 10.0 ** math.floor(math.log10(raw))
    step = next(one * magnitude for one in _STEPS if one * magnitude * most >= highest * (1 - 1e-9))
    if step < 1:
        step = 1.0
    count = math.ceil(highest / step - 1e-9)
    return [step * number for number in range(1, count + 1)]


def columns(
    values: Sequence[int], *, highest: int = 0, width: float = 600, height: float = 96
) -> Columns:
    """A column per value, from 0. The scale reaches `highest`, so that two charts can have the same one."""
    ticks = axis_ticks(max([*values, highest], default=0))
    top = ticks[-1]
    slot = width / max(len(values), 1)
    placed = tuple(
        _column(value, number, slot=slot, height=height, top=top)
        for number, value in enumerate(values)
    )
    return Columns(width, height, placed, _ticks(ticks, height))


def _column(value: int, number: int, *, slot: float, height: float, top: float) -> Column:
    length = max(height * max(value, 0) / top, _LEAST_HEIGHT if value > 0 else 0.0)
    start = slot * number
    return Column(
        x=_round(start + slot * _GAP / 2),
        y=_round(height - length),
        width=_round(slot * (1 - _GAP)),
        height=_round(length),
        value=value,
        slot=_round(start),
        slot_width=_round(slot),
    )


def line(values: Sequence[int], *, width: float = 600, height: float = 96) -> Line:
    """A line through the middle of each value's slot, from 0."""
    ticks = axis_ticks(max(values, default=0))
    slot = width / max(len(values), 1)
    placed = [
        (_round(slot * (number + 0.5)), _round(height - height * max(value, 0) / ticks[-1]))
        for number, value in enumerate(values)
    ] or [(0.0, height)]
    points = " ".join(f"{x},{y}" for x, y in placed)
    area = f"{placed[0][0]},{height} {points} {placed[-1][0]},{height}"
    return Line(width, height, points, area, placed[-1], _ticks(ticks, height))


def timeline(
    marks: Sequence[Mark],
    *,
    threshold: float | None = None,
    width: float = 600,
    height: float = 140,
) -> Timeline:
    """Each mark at its time and value; the first at the left edge, the last at the right one."""
    values = [mark.value for mark in marks]
    ticks = axis_ticks(max([*values, threshold or 0], default=0))
    first = min((mark.at for mark in marks), default=None)
    last = max((mark.at for mark in marks), default=None)
    seconds = (last - first).total_seconds() if first and last else 0.0
    margin = 8.0
    placed = tuple(
        PlacedMark(
            mark,
            _round(
                margin
                + (width - 2 * margin)
                * ((mark.at - first).total_seconds() / seconds if first and seconds else 0.5)
            ),
            _round(height - height * max(mark.value, 0) / ticks[-1]),
        )
        for mark in marks
    )
    limit = None if threshold is None else _round(height - height * threshold / ticks[-1])
    return Timeline(width, height, placed, _ticks(ticks, height), limit)


def _ticks(values: Sequence[float], height: float) -> tuple[Tick, ...]:
    return tuple(Tick(value, _round(height - height * value / values[-1])) for value in values)


def _round(value: float) -> float:
    """To a tenth of a unit, which is at most a tenth of a pixel."""
    return round(value, 1)
