"""The schemas of problem documents, one for each error code."""

from typing import Any, Final, get_args

from libs.kernel.errors import RewardReason
from libs.web.problems import PROBLEMS

Json = dict[str, Any]

_TEXT: Final[Json] = {"type": "string"}
_POINTS: Final[Json] = {"type": "integer", "description": "Points."}
_FIELD_ERROR: Final[Json] = {
    "type": "object",
    "properties": {
        "detail": {
            "type": "string",
            "description": "What is wrong with the value, or what is required.",
        },
        "pointer": {
            "type": "string",
            "description": "A JSON pointer to the field in the body: `#/tiers/1/min_points`.",
        },
        "parameter": {"type": "string", "description": "The query parameter."},
        "header": {"type": "string", "description": "The header."},
    },
    "required": ["detail"],
    "additionalProperties": False,
}

# The members of a code's document beyond those that all have.
_EXTENSIONS: Final[dict[str, Json]] = {
    "insufficient_scope": {"required": _TEXT},
    "invalid_request": {"errors": {"type": "array", "items": _FIELD_ERROR, "minItems": 1}},
    "reward_unavailable": {"reason": {"type": "string", "enum": list(get_args(RewardReason))}},
    "insufficient_points": {"balance": _POINTS, "required": _POINTS, "missing": _POINTS},
}


def schema_name(code: str) -> str:
    """`insufficient_points` is InsufficientPointsProblem."""
    return "".join(word.capitalize() for word in code.split("_")) + "Problem"


def problem_schema(code: str) -> Json:
    """The schema of the code's problem document."""
    problem = PROBLEMS[code]
    properties = {
        "type": {"type": "string", "const": f"/problems/{code}"},
        "title": {"type": "string", "const": problem.title},
        "status": {"type": "integer", "const": problem.status},
        "detail": {"type": "string", "description": "What happened, in one sentence."},
        "instance": {"type": "string", "description": "The request's id."},
        "code": {"type": "string", "const": code},
        **_EXTENSIONS.get(code, {}),
    }
    return {
        "type": "object",
        "description": problem.explanation,
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
