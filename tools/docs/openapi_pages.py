"""The part of the OpenAPI document about the pages outside /v1: health, the document itself, the errors."""

from collections.abc import Mapping
from typing import Final

from tools.docs.problems import schema_name
from tools.docs.schemas import Json

_TEXT: Final = {"type": "string"}


def pages() -> Json:
    """The paths that need no key."""
    not_found = {"404": {"$ref": f"#/components/responses/{schema_name('not_found')}"}}
    failing = {"type": "object", "additionalProperties": _TEXT}
    state = {"type": "object", "properties": {"status": _TEXT}}
    # The reasons are returned only to callers with the internal token.
    not_ready = {"type": "object", "properties": {"status": _TEXT, "failing": failing}}
    code = {
        "name": "code",
        "in": "path",
        "description": "An error's code.",
        "schema": _TEXT,
        "required": True,
    }
    return {
        "/health/live": _page_of("live", "Check that the process responds.", {"200": state}),
        "/health/ready": _page_of(
            "ready", "Check that the service is ready.", {"200": state, "503": not_ready}
        ),
        "/openapi.json": _page_of("getOpenApi", "Get this document.", {"200": {"type": "object"}}),
        "/docs": _page_of("getDocs", "Read this document.", {"200": None}),
        "/problems/{code}": {
            "parameters": [code],
            **_page_of(
                "explainProblem", "Read what an error code means.", {"200": None}, not_found
            ),
        },
    }


def _page_of(
    name: str, summary: str, statuses: Mapping[str, Json | None], errors: Json | None = None
) -> Json:
    """A page for people where the schema is None, else JSON."""
    responses = {
        status: {
            "description": "OK." if status == "200" else "Not ready.",
            "content": {"text/html": {"schema": {"type": "string"}}}
            if schema is None
            else {"application/json": {"schema": schema}},
        }
        for status, schema in statuses.items()
    }
    return {
        "get": {
            "operationId": name,
            "summary": summary,
            "description": "Requires no key.",
            "tags": ["Service"],
            "security": [],
            "responses": responses | (errors or {}),
        }
    }
