"""The pages at /problems: what each error code means to the caller, and what to do about it."""

import json
from collections.abc import Mapping
from html import escape
from typing import Any, Final

from libs.web.problems import PROBLEMS
from services.gateway.api import docs

# The codes after which a retry of the same request can succeed.
_CAN_SUCCEED_LATER: Final = frozenset(
    {"request_timeout", "idempotency_in_flight", "rate_limited", "unavailable", "internal_error"}
)

_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
  body {{ font: 1.05rem/1.6 system-ui, sans-serif; max-width: 44rem; margin: 8vh auto; padding: 0 1.25rem }}
  h1 {{ font-size: 1.6rem; line-height: 1.25; margin: .25rem 0 1rem }}
  h2 {{ font-size: 1.05rem; margin: 1.5rem 0 .25rem }}
  p {{ margin: .25rem 0 }}
  p.code {{ color: #777; margin: 0 }}
  code {{ font-size: .95em }}
  pre {{ overflow-x: auto; padding: .75rem 1rem; border: 1px solid #8885; border-radius: .4rem }}
  table {{ border-collapse: collapse; width: 100% }}
  th, td {{ text-align: left; vertical-align: top; padding: .4rem .75rem .4rem 0; border-top: 1px solid #8885 }}
  nav {{ margin-top: 2rem }}
</style>
</head>
<body>
{body}
<nav><a href="/problems">All error codes</a> · <a href="/docs">API reference</a></nav>
</body>
</html>
"""


def problem_page(code: str, examples: Mapping[str, Any]) -> str:
    """What the code means, what to do, and how the response looks, where there is an example."""
    problem = PROBLEMS[code]
    retry = (
        "The same request can succeed later."
        if code in _CAN_SUCCEED_LATER
        else "The same request will keep failing. Change the request, or the resource that it refers to."
    )
    sections = [
        f'<p class="code">HTTP {problem.status} · <code>{escape(code)}</code></p>',
        f"<h1>{escape(problem.title)}</h1>",
        f"<p>{docs.inline(problem.explanation)}</p>",
        f"<h2>What to do</h2><p>{docs.inline(problem.action)}</p>",
        f"<h2>Retries</h2><p>{retry}</p>",
    ]
    if code in examples:
        example = json.dumps(examples[code], indent=2, ensure_ascii=False)
        sections.append(f"<h2>Example</h2><pre><code>{escape(example, quote=False)}</code></pre>")
    return _PAGE.format(title=escape(f"{problem.title} · {code}"), body="\n".join(sections))


def problems_page() -> str:
    """All error codes, by status."""
    rows = "".join(
        f"<tr><td>{problem.status}</td>"
        f'<td><a href="/problems/{code}"><code>{code}</code></a></td>'
        f"<td>{escape(problem.title)}</td></tr>"
        for code, problem in sorted(PROBLEMS.items(), key=lambda entry: entry[1].status)
    )
    body = (
        "<h1>Error codes</h1>"
        "<p>Every response with status 400 or higher is a problem document "
        '(<a href="https://www.rfc-editor.org/rfc/rfc9457">RFC 9457</a>). Branch on its '
        "<code>code</code>, which never changes. <code>detail</code> is for people. "
        "<code>instance</code> is the request id: quote it when you ask for help.</p>"
        "<table><thead><tr><th>Status</th><th>Code</th><th>Meaning</th></tr></thead>"
        f"<tbody>{rows}</tbody></table>"
    )
    return _PAGE.format(title="Error codes", body=body)
