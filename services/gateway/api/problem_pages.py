"""The pages at /problems: what each error code means to the caller, and what to do about it."""

import json
from collections.abc import Mapping
from typing import Any, Final

from libs.web.problems import PROBLEMS
from services.gateway.api.reference import json_tokens
from services.gateway.api.rendering import TEMPLATES

# The codes after which a retry of the same request can succeed.
_CAN_SUCCEED_LATER: Final = frozenset(
    {"request_timeout", "idempotency_in_flight", "rate_limited", "unavailable", "internal_error"}
)


def problem_page(code: str, examples: Mapping[str, Any]) -> str:
    """What the code means, what to do, and how the response looks, where there is an example."""
    example = json.dumps(examples[code], indent=2, ensure_ascii=False) if code in examples else None
    return TEMPLATES.render(
        "problem.html",
        {
            "page": "problem",
            "code": code,
            "problem": PROBLEMS[code],
            "can_succeed_later": code in _CAN_SUCCEED_LATER,
            "example": None if example is None else json_tokens(example),
        },
    )


def problems_page() -> str:
    """All error codes, by status."""
    by_status = sorted(PROBLEMS.items(), key=lambda entry: entry[1].status)
    return TEMPLATES.render(
        "problems.html",
        {"page": "problems", "problems": by_status, "can_succeed_later": _CAN_SUCCEED_LATER},
    )
