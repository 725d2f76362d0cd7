"""Texts stand in one file: none is missing, none is unused, and no template has text of its own."""

import re
from pathlib import Path

from babel.messages.pofile import read_po

ROOT = Path(__file__).parents[3] / "services" / "dashboard"
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
MODULES = [*ROOT.rglob("*.py")]
# For developers, in local mode only; and attributes without an element.
WITH_TEXT = {"pages/components.html", "components/live.html"}


def keys_in_file() -> set[str]:
    with (ROOT / "texts" / "en.po").open("rb") as file:
        catalog = read_po(file, locale="en", abort_invalid=True)
    return {one.id if isinstance(one.id, str) else one.id[0] for one in catalog if one.id}


def keys_used() -> tuple[set[str], set[str]]:
    """The keys that stand in templates and code, and the families of which a value chooses one."""
    keys: set[str] = set()
    families: set[str] = set()
    for path in TEMPLATES:
        text = path.read_text()
        keys |= set(re.findall(r'\b_\("([^"]+)"', text))
        keys |= {
            one for pair in re.findall(r'ngettext\("([^"]+)", "([^"]+)"', text) for one in pair
        }
        families |= set(re.findall(r'words\("([^"]+)"\)', text))
    for path in MODULES:
        text = path.read_text()
        keys |= set(re.findall(r'"((?:nav|keys)\.[a-z_]+)"', text))
        keys |= set(re.findall(r'\.text\(\s*"([^"]+)"', text))
        families |= {one.rstrip(".") for one in re.findall(r'f"([a-z_.]+)\{', text)}
        keys |= set(re.findall(r'error="([a-z_.]+)"', text))
    return keys, families


def test_every_key_has_a_text() -> None:
    keys, families = keys_used()
    texts = keys_in_file()
    assert keys - texts == set()
    assert {
        one for one in families if "." in one and not any(t.startswith(one) for t in texts)
    } == set()


def test_every_text_is_used() -> None:
    keys, families = keys_used()
    unused = {
        text
        for text in keys_in_file() - keys
        if not any(text.startswith(f"{family}.") for family in families)
    }
    assert unused == set()


def test_no_template_has_text_of_its_own() -> None:
    texts = {
        str(path.relative_to(ROOT / "templates")): [
            part.strip()
            for part in re.split(
                r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}|<[^>]*>", _lines(path), flags=re.DOTALL
            )
            if re.search(r"[A-Za-z]{2,}", part)
        ]
        for path in TEMPLATES
        if str(path.relative_to(ROOT / "templates")) not in WITH_TEXT
    }
    assert {name: parts for name, parts in texts.items() if parts} == {}


def _lines(path: Path) -> str:
    """The template with the expressions inside of its tags removed, which may contain `>`."""
    return re.sub(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", " ", path.read_text(), flags=re.DOTALL)


def test_nothing_is_taken_for_safe_html() -> None:
    """A filter `safe` prints what a shop or a reader wrote as HTML."""
    assert [path.name for path in TEMPLATES if re.search(r"\|\s*safe\b", path.read_text())] == []
