"""The pages beside /v1, as a person reads them."""

import re

import pytest

from libs.web.problems import PROBLEMS
from services.gateway.api import docs
from services.gateway.api.pages import problem_page


@pytest.mark.parametrize("code", PROBLEMS)
def test_code_in_an_explanation_is_shown_as_code(code: str) -> None:
    page = problem_page(code)
    assert "`" not in page
    named = re.findall(r"`([^`]+)`", PROBLEMS[code].explanation)
    assert all(f"<code>{one}</code>" in page for one in named)


def test_what_html_means_something_by_is_escaped() -> None:
    assert docs.inline("a < b & `<i>`") == "a &lt; b &amp; <code>&lt;i&gt;</code>"
