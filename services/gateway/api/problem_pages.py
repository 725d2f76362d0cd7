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
<title>{title}</title>
<style>{style}</style>
</head>
<body class="text">
<main>
{body}
<p class="more"><a href="/problems">All error codes</a> · <a href="/docs">API reference</a></p>
</main>
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
        sections.append(
            f'<h2>Example</h2><pre tabindex="0"><code>{escape(example, quote=False)}</code></pre>'
        )
    return _page(escape(f"{problem.title} · {code}"), "\n".join(sections))


def problems_page() -> str:
    """All error codes, by status."""
    rows = "".join(
        f"<tr><td>{problem.status}</td>"
        f'<td><a href="/problems/{code}"><code>{code.replace("_", "_<wbr>")}</code></a></td>'
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
    return _page("Error codes", body)


def _page(title: str, body: str) -> str:
    return _PAGE.format(title=title, style=docs.STYLE, body=body)
