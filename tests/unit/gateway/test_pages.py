"""The pages outside /v1, as a person reads them."""

import base64
import hashlib
import json
import re
from html import escape, unescape
from pathlib import Path

import pytest

from libs.web.problems import PROBLEMS
from libs.web.templates import ASSETS
from services.gateway.api import docs
from services.gateway.api.pages import _SWAGGER_UI, content_policy
from services.gateway.api.problem_pages import problem_page, problems_page
from services.gateway.api.rendering import TEMPLATES, create_assets

GENERATED = Path(__file__).parents[3] / "docs" / "generated"
DOCUMENT = GENERATED / "openapi.json"
EXAMPLES = json.loads((GENERATED / "examples.json").read_text())["problems"]


def inline(text: str) -> str:
    """A paragraph as the templates render it."""
    macro = TEMPLATES.environment.get_template("components/inline.html").make_module().inline  # type: ignore[attr-defined]
    return str(macro(text))


@pytest.mark.parametrize("code", PROBLEMS)
def test_a_problem_page_says_what_happened_and_what_to_do(code: str) -> None:
    problem = PROBLEMS[code]
    page = problem_page(code, {})
    assert "`" not in page
    assert "](" not in page
    for text in (problem.explanation, problem.action):
        for word in re.findall(r"`([^`]+)`", text):
            assert f"<code>{escape(word)}</code>" in page
    assert inline(problem.explanation) in page
    assert inline(problem.action) in page
    assert 'href="/problems"' in page


def test_a_problem_page_shows_the_recorded_example() -> None:
    page = problem_page("insufficient_points", EXAMPLES)
    assert '"missing": 48600' in unescape(re.sub(r"</?span[^>]*>", "", page))
    assert "Example" not in problem_page("rate_limited", EXAMPLES)


def test_the_list_of_error_codes_leads_to_every_page_by_status() -> None:
    page = problems_page()
    links = re.findall(r'href="/problems/([a-z_]+)"', page)
    assert sorted(links) == sorted(PROBLEMS)
    statuses = [PROBLEMS[code].status for code in links]
    assert statuses == sorted(statuses)


def test_a_link_leads_to_pages_of_this_host_alone() -> None:
    assert inline("[docs](/docs)") == '<a href="/docs">docs</a>'
    assert "href" not in inline("[docs](https://example.com)")


def test_html_in_a_text_is_escaped() -> None:
    assert inline("a < b & `<i>`") == "a &lt; b &amp; <code>&lt;i&gt;</code>"


def test_the_examples_go_to_the_address_that_the_page_was_read_at() -> None:
    page = docs.render(json.loads(DOCUMENT.read_text()))
    assert page.count(":8080") == 1
    assert '<span id="address">http://127.0.0.1:8080</span>' in page
    assert "getElementById('address').textContent = location.origin" in page


def test_the_reference_says_what_bodies_and_the_objects_inside_them_mean() -> None:
    page = docs.render(json.loads(DOCUMENT.read_text()))
    create, moving = (
        page.partition(f'<article id="{name}">')[2].partition("</article>")[0]
        for name in ("createProgram", "moveClock")
    )
    setting = "after the points became available, moved to the end of the unit <code>round</code>"
    # As a field of the body, and of the response.
    assert create.count(setting) == 2
    assert "<p>What the store&#39;s clock shows from now on." in moving


@pytest.mark.parametrize("page", ["docs", "problem", "problems"])
def test_the_policy_allows_the_contents_of_the_page_and_nothing_else(page: str) -> None:
    html = {
        "docs": lambda: docs.render(json.loads(DOCUMENT.read_text())),
        "problem": lambda: problem_page("conflict", EXAMPLES),
        "problems": problems_page,
    }[page]()
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


def test_the_page_to_try_loads_swagger_ui_from_this_host_alone() -> None:
    assets = create_assets(json.loads(DOCUMENT.read_text()))
    page = docs.render_try(assets)
    loaded = re.findall(r'<(?:script|link)[^>]* (?:src|href)="([^"]+)"', page)
    assert sorted(loaded) == sorted(
        assets.url(name) for name in ("swagger-ui.css", "swagger-ui-bundle.js")
    )
    policy = dict(part.split(" ", 1) for part in content_policy(page, _SWAGGER_UI).split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["connect-src"] == "'self'"
    assert policy["img-src"] == "data:"
    for directive in ("script-src", "style-src"):
        assert re.fullmatch(r"'self' 'sha256-[^' ]+'", policy[directive])


@pytest.mark.parametrize("name", ["pages", "reference", "try", "unavailable"])
def test_every_color_of_the_pages_is_a_token(name: str) -> None:
    style = (Path(docs.__file__).parents[1] / "assets" / f"{name}.css").read_text()
    tokens = (ASSETS / "tokens.css").read_text()
    used = set(re.findall(r"var\(--([a-z0-9-]+)\)", style))
    assert used - set(re.findall(r"--([a-z0-9-]+):", tokens)) == set()
    assert re.findall(r"#[0-9a-f]{3,8}\b|rgba?\(", style) == []
