"""The source product's page: its snippets by section, and the responses printed after them."""

import json
import re
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from tests.support import ROOT

PAGE: Final = ROOT.parent / "shared/source-api.md"

_FENCE: Final = re.compile(r"^```(js|json)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_VARIABLE: Final = re.compile(r"^const (\w+) = await", re.MULTILINE)


class Section(Struct, frozen=True):
    """The snippets under one heading, which share one `whale`, and the responses by variable."""

    title: str
    snippets: list[str]
    responses: dict[str, Any]


def sections(page: Path) -> list[Section]:
    """The sections of the page that contain snippets."""
    parts = re.split(r"^## ", page.read_text(), flags=re.MULTILINE)[1:]
    return [section for section in map(_section, parts) if section.snippets]


def _section(text: str) -> Section:
    snippets: list[str] = []
    responses: dict[str, Any] = {}
    for kind, body in _FENCE.findall(text):
        if kind == "js":
            snippets.append(body)
        else:
            responses[_VARIABLE.findall(snippets[-1])[-1]] = json.loads(body)
    return Section(text.partition("\n")[0], snippets, responses)


def differences(value: Any, documented: Any, at: str = "") -> list[str]:
    """The differences between a value and the documented one. The documented members come first, in
    order, with the same types; more members may follow. A list has items, each like the documented
    item."""
    if _type(value) != _type(documented):
        return [f"{at}: {_type(value)} instead of {_type(documented)}"]
    if isinstance(documented, dict):
        names = list(documented)
        if list(value)[: len(names)] != names:
            return [f"{at}: {list(value)} instead of {names}"]
        return [
            difference
            for name in names
            for difference in differences(value[name], documented[name], f"{at}/{name}")
        ]
    if isinstance(documented, list):
        if not value:
            return [f"{at}: empty"]
        return [
            difference
            for index, item in enumerate(value)
            for difference in differences(item, documented[0], f"{at}/{index}")
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
