"""Texts with `code`, **weight** and [links](/to/pages/here), as spans for the templates."""

import re
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

# Links lead to pages of this host alone.
_MARKED: Final = re.compile(
    r"`(?P<code>[^`]+)`|\*\*(?P<weight>[^*]+)\*\*|\[(?P<link>[^\]]+)\]\((?P<target>/[^)\s]*)\)"
)


class Span(Struct, frozen=True):
    """A part of a text: "text", "code", "weight" or "link", and where a link leads."""

    kind: str
    text: str
    target: str = ""


def spans(text: str) -> Iterator[Span]:
    """The parts of a paragraph, in order."""
    end = 0
    for match in _MARKED.finditer(text):
        if match.start() > end:
            yield Span("text", text[end : match.start()])
        kind = "link" if match["link"] else str(match.lastgroup)
        yield Span(kind, match[kind], match["target"] or "")
        end = match.end()
    if end < len(text):
        yield Span("text", text[end:])


def paragraphs(text: str) -> list[str]:
    """The paragraphs of a text; a blank line separates them."""
    return text.strip().split("\n\n")
