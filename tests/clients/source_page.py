"""The source product's page: its snippets by section, and the answers that it prints after them."""

import json
import re
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from tests.support import ROOT

PAGE: Final = ROOT.parent / "shared/source-api.md"

_FENCE: Final = re.compile(r"^```(js|json)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NAMED: Final = re.compile(r"^const (\w+) = await", re.MULTILINE)


class Section(Struct, frozen=True):
    """The snippets under one heading, which share one `whale`, and the answers by variable."""

    title: str
    snippets: list[str]
    answers: dict[str, Any]


def sections(page: Path) -> list[Section]:
    """The sections of the page that have snippets."""
    parts = re.split(r"^## ", page.read_text(), flags=re.MULTILINE)[1:]
    return [section for section in map(_section, parts) if section.snippets]


def _section(text: str) -> Section:
    snippets: list[str] = []
    answers: dict[str, Any] = {}
    for kind, body in _FENCE.findall(text):
        if kind == "js":
            snippets.append(body)
        else:
            answers[_NAMED.findall(snippets[-1])[-1]] = json.loads(body)
    return Section(text.partition("\n")[0], snippets, answers)


def differences(shown: Any, documented: Any, at: str = "") -> list[str]:
    """Where an answer is not as documented: the same members first and in order, of the same types.
    Members of an object may follow; a list has items, and each is like the documented ones."""
    if _type(shown) != _type(documented):
        return [f"{at}: {_type(shown)} instead of {_type(documented)}"]
    if isinstance(documented, dict):
        names = list(documented)
        if list(shown)[: len(names)] != names:
            return [f"{at}: {list(shown)} instead of {names}"]
        return [
            one
            for name in names
            for one in differences(shown[name], documented[name], f"{at}/{name}")
        ]
    if isinstance(documented, list):
        if not shown:
            return [f"{at}: empty"]
        return [
            one
            for place, item in enumerate(shown)
            for one in differences(item, documented[0], f"{at}/{place}")
        ]
    return []


def _type(value: Any) -> str:
    match value:
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case None:
            return "null"
        case _:
            return type(value).__name__
