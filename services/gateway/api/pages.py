"""The pages outside /v1: the API reference and the error codes."""

import base64
import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
from litestar import Response, get
from litestar.params import FromPath
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from libs.kernel.errors import NotFound
from libs.web.problems import PROBLEMS
from services.gateway.api import docs, problem_pages

# Written by `make docs`, so the pages served are the pages that were reviewed.
_GENERATED: Final = Path(__file__).parents[3] / "docs" / "generated"
# The pages change with a release only; a proxy may store them for a while.
_CACHED: Final = {"Cache-Control": "public, max-age=300"}

_CSP: Final = "Content-Security-Policy"


@get("/", operation_id="frontDoor", sync_to_thread=False)
def front_door() -> Redirect:
    """A reader who opens the bare address gets the API reference."""
    return Redirect("/docs")


def documentation() -> list[ControllerRouterHandler]:
    """The routes `/` (leads to `/docs`), `/openapi.json`, `/docs`, `/problems` and
    `/problems/{code}`. Their content is put together once, here."""
    document = (_GENERATED / "openapi.json").read_bytes()
    examples = msgspec.json.decode((_GENERATED / "examples.json").read_bytes())["problems"]
    reference = _html(docs.render(msgspec.json.decode(document)))
    problems = _html(problem_pages.problems_page())
    by_code = {code: _html(problem_pages.problem_page(code, examples)) for code in PROBLEMS}

    @get("/openapi.json", operation_id="getOpenApi", sync_to_thread=False)
    def openapi() -> Response[bytes]:
        return Response(document, media_type="application/json", headers=_CACHED)

    @get("/docs", operation_id="getDocs", sync_to_thread=False)
    def read_docs() -> Response[str]:
        return reference()

    @get("/problems", operation_id="listProblems", sync_to_thread=False)
    def list_problems() -> Response[str]:
        return problems()

    @get("/problems/{code:str}", operation_id="explainProblem", sync_to_thread=False)
    def explain_problem(code: FromPath[str]) -> Response[str]:
        """The page that the `type` of a problem document leads to."""
        if code not in by_code:
            raise NotFound("There is no such error code. All codes are listed at /problems.")
        return by_code[code]()

    return [front_door, openapi, read_docs, list_problems, explain_problem]


def _html(page: str) -> Callable[[], Response[str]]:
    """A function that responds with the page."""
    headers = _CACHED | {_CSP: content_policy(page)}
    return lambda: Response(page, media_type="text/html", headers=headers)


def content_policy(page: str) -> str:
    """The Content-Security-Policy that allows the styles and scripts in the page itself, and nothing
    else."""
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
    contents = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
    digests = (hashlib.sha256(content.encode()).digest() for content in contents)
    return " ".join(f"'sha256-{base64.b64encode(one).decode()}'" for one in digests) or "'none'"
