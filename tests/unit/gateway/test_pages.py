"""The pages beside /v1, as a person reads them."""

import json
import re
from pathlib import Path

import pytest

from libs.web.problems import PROBLEMS
from services.gateway.api import docs
from services.gateway.api.pages import problem_page

DOCUMENT = Path(__file__).parents[3] / "docs" / "generated" / "openapi.json"


@pytest.mark.parametrize("code", PROBLEMS)
def test_code_in_an_explanation_is_shown_as_code(code: str) -> None:
    page = problem_page(code)
    assert "`" not in page
    named = re.findall(r"`([^`]+)`", PROBLEMS[code].explanation)
    assert all(f"<code>{one}</code>" in page for one in named)


def test_what_html_means_something_by_is_escaped() -> None:
    assert docs.inline("a < b & `<i>`") == "a &lt; b &amp; <code>&lt;i&gt;</code>"


def test_the_examples_go_to_the_address_that_the_page_was_read_at() -> None:
    page = docs.render(json.loads(DOCUMENT.read_text()))
    assert page.count(":8080") == 1
    assert '<span id="address">http://127.0.0.1:8080</span>' in page
    assert "getElementById('address').textContent = location.origin" in page
