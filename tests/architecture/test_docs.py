"""Every link, path, module and test that the documentation names exists.

A rename that forgets the documentation would otherwise send a reader to a file that is not there.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    page.relative_to(ROOT)
    for pattern in (
        "*.md",
        "docs/**/*.md",
        "deploy/**/*.md",
        "services/*/README.md",
        "libs/whale-*/README.md",
    )
    for page in ROOT.glob(pattern)
)
TEST_FILES = list(ROOT.glob("tests/**/test_*.py"))
TESTS = {path.stem for path in TEST_FILES} | {
    name for path in TEST_FILES for name in re.findall(r"def (test_\w+)", path.read_text())
}

_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")
_CODE = re.compile(r"`([^`\n]+)`")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_PATH = re.compile(r"(?:libs|services|tools|tests|docs|api|domain|handlers|store)/[\w./-]*")
_MODULE = re.compile(r"(?:libs|services|tools|tests)(?:\.\w+)+")
_TEST = re.compile(r"test_\w+")


def missing(text: str, page: Path) -> Iterator[str]:
    """What `text` names, as the contents of `page`, and does not exist."""
    text = _FENCE.sub("", text)
    for target, anchor in _LINK.findall(text):
        file = ROOT / page.parent / target if target else ROOT / page
        if not file.exists() or (anchor and anchor not in _anchors(file)):
            yield f"{target}#{anchor}" if anchor else target
    for code in _CODE.findall(text):
        if _PATH.fullmatch(code):
            exists = any((folder / code).exists() for folder in _folders(page))
        elif _MODULE.fullmatch(code):
            place = ROOT / code.replace(".", "/")
            exists = place.is_dir() or place.with_suffix(".py").exists()
        elif _TEST.fullmatch(code):
            exists = code in TESTS
        else:
            continue
        if not exists:
            yield code


def _folders(page: Path) -> list[Path]:
    """What a path may be relative to: the project, a service, the page's own folder."""
    return [ROOT, ROOT / page.parent, *(ROOT / "services").iterdir()]


def _anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, made as GitHub makes them."""
    headings = _HEADING.findall(_FENCE.sub("", page.read_text()))
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_what_a_page_names_exists(page: Path) -> None:
    assert list(missing((ROOT / page).read_text(), page)) == []


@pytest.mark.parametrize(
    "named",
    [
        pytest.param("[why](adr/0000-nothing.md)", id="a link"),
        pytest.param("[why](adr/README.md#nothing)", id="an anchor"),
        pytest.param("`libs/messaging/nothing.py`", id="a path"),
        pytest.param("`handlers/nothing.py`", id="a path inside a service"),
        pytest.param("`libs.messaging.nothing`", id="a module"),
        pytest.param("`test_nothing`", id="a test"),
    ],
)
def test_a_name_without_its_thing_is_found(named: str) -> None:
    assert len(list(missing(f"See {named}.", Path("docs/architecture.md")))) == 1
