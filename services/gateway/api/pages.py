"""The pages beside /v1: what an error code means."""

from html import escape
from typing import Final

from litestar import Response, get
from litestar.params import FromPath

from libs.kernel.errors import NotFound
from libs.web.problems import PROBLEMS

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
    problem = PROBLEMS.get(code)
    if problem is None:
        raise NotFound("There is no such error code.")
    page = _PAGE.format(
        code=escape(code),
        status=problem.status,
        title=escape(problem.title),
        explanation=escape(problem.explanation),
    )
    return Response(page, media_type="text/html")
