"""The pages outside /v1: the API reference, to read and to try, and the error codes."""

import base64
import hashlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from litestar import Request, Response, get
from litestar.params import FromPath
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from libs.kernel.errors import NotFound
from libs.web.asset_files import asset_response
from libs.web.problems import PROBLEMS
from services.gateway.api import docs, problem_pages
from services.gateway.api.rendering import create_assets

# Written by `make docs`, so the pages served are the pages that were reviewed.
_GENERATED: Final = Path(__file__).parents[3] / "docs" / "generated"
# The pages change with a release only; a proxy may store them for a while.
_CACHED: Final = {"Cache-Control": "public, max-age=300"}

_CSP: Final = "Content-Security-Policy"
_NONE: Final = "'none'"
_NOTHING_LOADED: Final[Mapping[str, str]] = {}
# Swagger UI draws with images in its style sheet, and requests go to the gateway alone.
_SWAGGER_UI: Final = {
    "style-src": "'self'",
    "script-src": "'self'",
    "connect-src": "'self'",
    "img-src": "data:",
}


@get("/", operation_id="frontDoor", sync_to_thread=False)
def front_door() -> Redirect:
    """A reader who opens the bare address gets the API reference."""
    return Redirect("/docs")


def documentation() -> list[ControllerRouterHandler]:
    """The routes `/` (leads to `/docs`), `/openapi.json`, `/docs`, `/docs/try` with its files,
    `/problems` and `/problems/{code}`. Their content is put together once, here."""
    document = (_GENERATED / "openapi.json").read_bytes()
    examples = msgspec.json.decode((_GENERATED / "examples.json").read_bytes())["problems"]
    decoded = msgspec.json.decode(document)
    reference = _html(docs.render(decoded))
    assets = create_assets(decoded)
    trial = _html(docs.render_try(assets), _SWAGGER_UI)
    problems = _html(problem_pages.problems_page())
    by_code = {code: _html(problem_pages.problem_page(code, examples)) for code in PROBLEMS}

    @get("/openapi.json", operation_id="getOpenApi", sync_to_thread=False)
    def openapi() -> Response[bytes]:
        return Response(document, media_type="application/json", headers=_CACHED)

    @get("/docs", operation_id="getDocs", sync_to_thread=False)
    def read_docs() -> Response[str]:
        return reference()

    @get("/docs/try", operation_id="tryDocs", sync_to_thread=False)
    def read_trial() -> Response[str]:
        return trial()

    @get("/docs/assets/{name:str}", operation_id="getDocsAsset", sync_to_thread=False)
    def read_asset(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes]:
        """A file of Swagger UI, under its name with the hash."""
        asset = assets.find(name)
        if asset is None:
            raise NotFound("There is no such file. The API reference is at /docs.")
        return asset_response(asset, request.headers.get("Accept-Encoding", ""))

    @get("/problems", operation_id="listProblems", sync_to_thread=False)
    def list_problems() -> Response[str]:
        return problems()

    @get("/problems/{code:str}", operation_id="explainProblem", sync_to_thread=False)
    def explain_problem(code: FromPath[str]) -> Response[str]:
        """The page that the `type` of a problem document leads to."""
        if code not in by_code:
            raise NotFound("There is no such error code. All codes are listed at /problems.")
        return by_code[code]()

    return [
        front_door,
        openapi,
        read_docs,
        read_trial,
        read_asset,
        list_problems,
        explain_problem,
    ]


def _html(page: str, loaded: Mapping[str, str] = _NOTHING_LOADED) -> Callable[[], Response[str]]:
    """A function that responds with the page, which may load what `loaded` names."""
    headers = _CACHED | {_CSP: content_policy(page, loaded)}
    return lambda: Response(page, media_type="text/html", headers=headers)


def content_policy(page: str, loaded: Mapping[str, str] = _NOTHING_LOADED) -> str:
    """The Content-Security-Policy that allows the styles and scripts in the page itself and the
    sources in `loaded` by directive, and nothing else."""
    sources = {"style-src": _digests(page, "style"), "script-src": _digests(page, "script")}
    allowed = {
        directive: " ".join(filter(None, (loaded.get(directive), sources.get(directive))))
        for directive in {**sources, **loaded}
    }
    return "; ".join(
        (
            "default-src 'none'",
            *(f"{directive} {source or _NONE}" for directive, source in allowed.items()),
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )


def _digests(page: str, tag: str) -> str:
    contents = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
    digests = (hashlib.sha256(content.encode()).digest() for content in contents)
    return " ".join(f"'sha256-{base64.b64encode(one).decode()}'" for one in digests)
