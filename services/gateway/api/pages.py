"""The pages beside /v1: the API's documentation, and what an error code means."""

import base64
import hashlib
import re
from html import escape
from pathlib import Path
from typing import Final

import msgspec
from litestar import Response, get
from litestar.params import FromPath
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from libs.kernel.errors import NotFound
from libs.web.problems import PROBLEMS
from services.gateway.api import docs

# What `make docs` writes: the page and the document served are the ones that were reviewed.
_DOCUMENT: Final = Path(__file__).parents[3] / "docs" / "generated" / "openapi.json"
# They change with a release only; a proxy may keep them for a while.
_CACHED: Final = {"Cache-Control": "public, max-age=300"}

_CSP: Final = "Content-Security-Policy"

_PAGE: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title} · {code}</title>
<style>
  body {{ font: 1.05rem/1.6 system-ui, sans-serif; max-width: 40rem; margin: 12vh auto; padding: 0 1.25rem }}
  h1 {{ font-size: 1.6rem; line-height: 1.25; margin: .25rem 0 1rem }}
  p.code {{ color: #777; margin: 0 }}
  code {{ font-size: .95em }}
</style>
<p class="code">HTTP {status} · <code>{code}</code></p>
<h1>{title}</h1>
<p>{explanation}</p>
</html>
"""


@get("/problems/{code:str}", operation_id="explainProblem", sync_to_thread=False)
def explain_problem(code: FromPath[str]) -> Response[str]:
    """The page that a problem's `type` points at."""
    if code not in PROBLEMS:
        raise NotFound("There is no such error code.")
    page = problem_page(code)
    return Response(page, media_type="text/html", headers={_CSP: content_policy(page)})


def problem_page(code: str) -> str:
    """What the code means, for a person."""
    problem = PROBLEMS[code]
    return _PAGE.format(
        code=escape(code),
        status=problem.status,
        title=escape(problem.title),
        explanation=docs.inline(problem.explanation),
    )


@get("/", operation_id="frontDoor", sync_to_thread=False)
def front_door() -> Redirect:
    """Who opens the bare address wants to know what is here."""
    return Redirect("/docs")


def documentation() -> list[ControllerRouterHandler]:
    """`/` leads to the docs. `/openapi.json`: the API's document. `/docs`: the same for people."""
    document = _DOCUMENT.read_bytes()
    page = docs.render(msgspec.json.decode(document))
    policy = content_policy(page)

    @get("/openapi.json", operation_id="getOpenApi", sync_to_thread=False)
    def openapi() -> Response[bytes]:
        return Response(document, media_type="application/json", headers=_CACHED)

    @get("/docs", operation_id="getDocs", sync_to_thread=False)
    def read_docs() -> Response[str]:
        return Response(page, media_type="text/html", headers=_CACHED | {_CSP: policy})

    return [front_door, openapi, read_docs]


def content_policy(page: str) -> str:
    """What a browser may do with the page: use the styles and scripts that stand in it, and nothing
    else, neither other ones nor anything from elsewhere."""
    return "; ".join(
        (
            "default-src 'none'",
            f"style-src {_digests(page, 'style')}",
            f"script-src {_digests(page, 'script')}",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )


def _digests(page: str, tag: str) -> str:
    found = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
    digests = (hashlib.sha256(content.encode()).digest() for content in found)
    return " ".join(f"'sha256-{base64.b64encode(one).decode()}'" for one in digests) or "'none'"
