"""The logs of the stack's processes: their last lines, and the lines of one request."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

_LAST_LINES: Final = 20


class _Line(Struct):
    """The part of a line that orders it."""

    timestamp: str
    request_id: str


def last_lines(folder: Path) -> Iterator[str]:
    """The last lines of every log in `folder`, the newest file last, each after its file's name."""
    for path in sorted(folder.glob("*.log"), key=lambda path: path.stat().st_mtime):
        yield f"── {path}"
        yield from path.read_text(errors="replace").splitlines()[-_LAST_LINES:]


def lines_of_request(folder: Path, request_id: str) -> list[str]:
    """The lines that the services wrote for a request, the oldest first, also those in the older part
    of each log."""
    lines = {
        (line.timestamp, text)
        for path in sorted(folder.glob("*.log*"))
        for text in path.read_text(errors="replace").splitlines()
        if request_id in text
        for line in _decode(text)
        if line.request_id == request_id
    }
    return [text for _, text in sorted(lines)]


def _decode(text: str) -> Iterator[_Line]:
    """The line, unless it is not a line of a request."""
    try:
        yield msgspec.json.decode(text, type=_Line)
    except msgspec.DecodeError:
        return
