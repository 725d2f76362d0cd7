"""The pages beside /v1, as a person reads them."""

import base64
import hashlib
import json
import re
from pathlib import Path

import pytest

from libs.web.problems import PROBLEMS
from services.gateway.api import docs
from services.gateway.api.pages import content_policy, problem_page

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


@pytest.mark.parametrize("page", ["docs", "problem"])
def test_the_policy_lets_in_what_stands_in_the_page_and_nothing_else(page: str) -> None:
    html = (
        docs.render(json.loads(DOCUMENT.read_text()))
        if page == "docs"
        else problem_page("conflict")
    )
    policy = content_policy(html)
    parts = re.findall(r"<(style|script)>(.*?)</\1>", html, re.DOTALL)
    assert parts
    for tag, content in parts:
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        (directive,) = [one for one in policy.split("; ") if one.startswith(f"{tag}-src ")]
        assert f"'sha256-{digest}'" in directive
    assert "unsafe" not in policy
    # What the policy would block, silently: styles and handlers that stand in tags.
    assert not re.search(r"<[a-z][^>]*\s(style|on[a-z]+)=", html)
    assert not re.search(r"<(script|style|link|img)[^>]*\s(src|href)=", html)
