"""HTML stands in templates, which escape what they show; no Python code puts it together."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted(path for name in ("services", "libs") for path in (ROOT / name).rglob("*.py"))
_ELEMENT = re.compile(
    r"(?<!\?P)</?(?:!doctype|a|article|b|body|br|button|code|dd|details|div|dl|dt|em|figcaption|figure|footer|form|"
    r"h[1-6]|head|header|html|i|img|input|label|li|link|main|meta|nav|ol|option|p|pre|script|section|"
    r"select|small|span|strong|style|summary|svg|table|tbody|td|th|thead|title|tr|ul)(?=[\s/>]|$)",
    re.IGNORECASE,
)


def html_in(source: str) -> list[str]:
    """The texts of a module, f-strings too, in which an element begins or ends; docstrings are prose."""
    tree = ast.parse(source)
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in prose
        and _ELEMENT.search(node.value)
    ]


def test_no_module_has_html_in_its_texts() -> None:
    html = {str(path.relative_to(ROOT)): html_in(path.read_text()) for path in MODULES}
    assert {path: texts for path, texts in html.items() if texts} == {}


@pytest.mark.parametrize(
    ("source", "is_html"),
    [
        ("""link = f'<a href="{target}">'""", True),
        ("""title = f'<H1>{name}'""", True),
        ("""mark = r'<code>\\1</code>'""", True),
        ("""text = 'ids of the form txn_<uuid>, where 1 < a'""", False),
        ('''"""Put <p> around it."""''', False),
    ],
)
def test_html_is_found_and_placeholders_are_not(source: str, is_html: bool) -> None:
    assert bool(html_in(source)) == is_html
