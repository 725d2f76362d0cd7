"""The OpenAPI 3.1 document, from the table of operations, the contracts' types and the error codes."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from libs.contracts import anomalies, api, intake, order_api
from libs.contracts.events import LotRef, RewardRef
from libs.contracts.operations import (
    CLOUD_EVENTS,
    JSON,
    OPERATIONS,
    Operation,
    Parameter,
)
from libs.web.problems import MEDIA_TYPE, PROBLEMS
from tools.docs.events import EVENTS
from tools.docs.openapi_pages import pages
from tools.docs.openapi_parts import (
    DESCRIPTION,
    HEADERS,
    HEADERS_BY_STATUS,
    PARAMETERS,
    SUCCESS_DESCRIPTIONS,
    TAG_DESCRIPTIONS,
    TAGS,
)
from tools.docs.packages import release
from tools.docs.problems import problem_schema, schema_name
from tools.docs.schemas import Json, SchemaCollector

_SCHEMAS: Final = "#/components/schemas/"

# The error codes of every operation; a request body adds more, and a write still more.
_COMMON: Final = (
    "unauthenticated",
    "insufficient_scope",
    "not_found",
    "rate_limited",
    "request_timeout",
    "headers_too_large",
    "invalid_request",
    "unavailable",
)
_WITH_BODY: Final = ("too_large", "unsupported_media_type")
_WITH_KEY: Final = ("idempotency_in_flight", "idempotency_key_reused")

_ITEM_PROBLEMS: Final = ("invalid_request", "program_inactive", "account_suspended", "conflict")

_LETTER_PROBLEMS: Final = ("not_found", "conflict")


class Example(Struct, frozen=True, kw_only=True):
    """A request that was sent to the running system, and its response."""

    media_type: str | None = None
    request: Any = None
    response: Any = None


class Examples(Struct, frozen=True):
    """Recorded examples by operation, and problems by code."""

    operations: Mapping[str, Example]
    problems: Mapping[str, Any]


def document(examples: Examples) -> Json:
    """The whole document, with `examples` at their operations and errors."""
    schemas = SchemaCollector(_SCHEMAS, _raw_fields(), closed=(LotRef, RewardRef))
    paths: Json = {}
    for operation in OPERATIONS:
        path = paths.setdefault(f"/v1/stores/{{store_id}}/{operation.path}", _path_of(operation))
        path[operation.method.lower()] = _operation(operation, schemas, examples)
    paths |= pages()
    return _prune(
        {
            "openapi": "3.1.0",
            "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
            "info": {
                "title": "Whale Loyalty",
                "version": release(),
                "summary": "A points engine for shops.",
                "description": DESCRIPTION,
                "license": {"name": "Apache 2.0", "identifier": "Apache-2.0"},
            },
            "servers": [{"url": "/", "description": "The gateway that serves this document."}],
            "security": [{"key": []}],
            "tags": [
                {"name": name, "description": text} for name, text in TAG_DESCRIPTIONS.items()
            ],
            "paths": paths,
            "components": {
                "schemas": dict(sorted(_schemas(schemas).items())),
                "responses": dict(_problem_responses(examples)),
                "parameters": PARAMETERS,
                "headers": HEADERS,
                "securitySchemes": {
                    "key": {
                        "type": "http",
                        "scheme": "bearer",
                        "description": "An API key: `wk_live_…` or `wk_test_…`.",
                    }
                },
            },
        }
    )


def _prune(document: Json) -> Json:
    """Remove the components without a reference, repeatedly, since some are only referenced by
    each other."""
    components = document["components"]
    while True:
        text = msgspec.json.encode(document).decode()
        unused = [
            (kind, name)
            for kind in ("schemas", "responses")
            for name in components[kind]
            if f'"#/components/{kind}/{name}"' not in text
        ]
        if not unused:
            return document
        for kind, name in unused:
            del components[kind][name]


def _headers(*names: str) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in ("X-Request-Id", *names)}


# -- operations


def codes_of(operation: Operation) -> tuple[str, ...]:
    """Every error code that the operation can return."""
    with_body = _WITH_BODY if operation.method != "GET" else ()
    with_key = _WITH_KEY if operation.is_write else ()
    return (*_COMMON, *with_body, *with_key, *operation.errors)


def _path_of(operation: Operation) -> Json:
    parameters = [{"$ref": "#/components/parameters/store_id"}]
    if operation.subject is not None:
        parameters.append(_parameter(operation.subject, place="path"))
    return {"parameters": parameters}


def _parameter(parameter: Parameter, *, place: str) -> Json:
    fields: Json = {
        "name": parameter.name,
        "in": place,
        "description": parameter.description,
        "schema": dict(parameter.schema),
    }
    if parameter.schema.get("type") == "array":
        fields |= {"style": "form", "explode": False}
    return fields | ({"required": True} if parameter.required else {})


def _operation(operation: Operation, schemas: SchemaCollector, examples: Examples) -> Json:
    example = examples.operations.get(operation.id, Example())
    parameters = [_parameter(parameter, place="query") for parameter in operation.query]
    if operation.is_write:
        parameters.append({"$ref": "#/components/parameters/idempotency_key"})
    fields: Json = {
        "operationId": operation.id,
        "summary": operation.summary,
        "description": "Any key may use it."
        if operation.scope is None
        else f"Requires the scope `{operation.scope}`.",
        "tags": [_tag(operation.path)],
        **({} if operation.scope is None else {"x-scope": operation.scope}),
        "x-owner": operation.owner,
    }
    if parameters:
        fields["parameters"] = parameters
    if operation.request is not None:
        fields["requestBody"] = _request(operation, schemas, example)
    fields["responses"] = {
        str(operation.status): _success(operation, schemas, example),
        **_errors(codes_of(operation), examples),
    }
    return fields


def _tag(path: str) -> str:
    tag = next((TAGS[word] for word in path.split("/") if word in TAGS), None)
    if tag is None:
        raise ValueError(f"No word of {path} is in TAGS of tools/docs/openapi_parts.py: add one.")
    return tag


def _request(operation: Operation, schemas: SchemaCollector, example: Example) -> Json:
    content: Json = {}
    for media_type in operation.media_types:
        schema = schemas.of(operation.request)
        if media_type == CLOUD_EVENTS:
            bounds = {"minItems": 1, "maxItems": intake.MAX_EVENTS}
            schema = {"type": "array", "items": schema, **bounds}
        content[media_type] = {"schema": schema}
        if example.media_type == media_type and example.request is not None:
            content[media_type]["example"] = example.request
    return {"required": True, "content": content}


def _success(operation: Operation, schemas: SchemaCollector, example: Example) -> Json:
    names = ("Idempotency-Hit",) if operation.is_write else ()
    response: Json = {
        "description": SUCCESS_DESCRIPTIONS[operation.status],
        "headers": _headers(*names),
    }
    if operation.response is not None:
        content: Json = {"schema": _response_schema(operation, schemas)}
        if example.response is not None:
            content["example"] = example.response
        response["content"] = {JSON: content}
    return response


def _response_schema(operation: Operation, schemas: SchemaCollector) -> Json:
    if not operation.listed:
        return schemas.of(operation.response)
    kinds = (operation.response, operation.response_for_customer)
    lists = [_page(kind, schemas) for kind in kinds if kind is not None]
    return lists[0] if len(lists) == 1 else {"anyOf": lists}


def _page(kind: type, schemas: SchemaCollector) -> Json:
    """The schema of a page of items of this type."""
    name = f"{kind.__name__}List"
    schemas.collected[name] = {
        "type": "object",
        "properties": {
            "data": {"type": "array", "items": schemas.of(kind)},
            "total": {
                "type": "integer",
                "description": "The number of matches, counted up to 10,000.",
            },
            "has_more": {"type": "boolean", "description": "Whether there are more items."},
            "total_more": {
                "type": "boolean",
                "description": "`true` if there are more matches than `total`.",
            },
        },
        "required": ["data", "total", "has_more"],
        "additionalProperties": False,
    }
    return schemas.ref(name)


# -- errors


def _errors(codes: Iterable[str], examples: Examples) -> Json:
    """The responses of the codes, by status."""
    by_status: defaultdict[int, list[str]] = defaultdict(list)
    for code in codes:
        by_status[PROBLEMS[code].status].append(code)
    return {
        str(status): {"$ref": f"#/components/responses/{schema_name(of_status[0])}"}
        if len(of_status) == 1
        else _problem_response(of_status, examples)
        for status, of_status in sorted(by_status.items())
    }


def _problem_responses(examples: Examples) -> Iterable[tuple[str, Json]]:
    for code in PROBLEMS:
        if code != "internal_error":
            yield schema_name(code), _problem_response([code], examples)


def _problem_response(codes: Sequence[str], examples: Examples) -> Json:
    """A response with any of the problems."""
    status = PROBLEMS[codes[0]].status
    content: Json = {"schema": _one_of(codes)}
    fields = {
        code: {"value": examples.problems[code]} for code in codes if code in examples.problems
    }
    if fields:
        content["examples"] = fields
    return {
        "description": " · ".join(f"{PROBLEMS[code].title} (`{code}`)" for code in codes),
        "headers": _headers(*HEADERS_BY_STATUS.get(status, ())),
        "content": {MEDIA_TYPE: content},
    }


def _one_of(codes: Sequence[str]) -> Json:
    refs = [{"$ref": _SCHEMAS + schema_name(code)} for code in codes]
    if len(refs) == 1:
        return refs[0]
    mapping = {code: _SCHEMAS + schema_name(code) for code in codes}
    return {"oneOf": refs, "discriminator": {"propertyName": "code", "mapping": mapping}}


# -- schemas


def _raw_fields() -> dict[tuple[type, str], Json]:
    """The schemas of fields that the code reads or writes as raw JSON."""
    earn = {"$ref": f"{_SCHEMAS}EarnRequest"}
    return {
        (api.EarnBatchRequest, "items"): {
            "type": "array",
            "items": earn,
            "minItems": 1,
            "maxItems": api.MAX_BATCH_ITEMS,
        },
        (api.Verdict, "problem"): _one_of(_ITEM_PROBLEMS),
        (order_api.DeadLetterVerdict, "problem"): _one_of(_LETTER_PROBLEMS),
        (order_api.OrderVerdict, "problem"): _one_of(_LETTER_PROBLEMS),
        (intake.EventVerdict, "problem"): {"$ref": f"{_SCHEMAS}{schema_name('invalid_request')}"},
        (anomalies.Anomaly, "evidence"): {
            "type": "object",
            "description": "The numbers on which the detector decided.",
        },
    }


def _schemas(schemas: SchemaCollector) -> Json:
    """All schemas: the collected ones, the events in their envelopes, the problems."""
    collected = schemas.collected
    envelope = collected.pop("EventEnvelope")
    names: Json = {}
    for event in (event for event in EVENTS if not event.is_ours):
        data = schemas.of(event.kind)
        value = collected[event.kind.__name__]
        value["required"] = [field for field in value["required"] if field != "store_id"]
        value["properties"]["store_id"]["description"] = "The key's own store; optional."
        properties = envelope["properties"] | {
            "type": {"type": "string", "const": event.topic},
            "data": data,
        }
        name = f"{event.kind.__name__}Event"
        names[event.topic] = f"{_SCHEMAS}{name}"
        collected[name] = {**envelope, "properties": properties}
    collected["EventEnvelope"] = {
        "description": envelope["description"],
        "oneOf": [{"$ref": ref} for ref in names.values()],
        "discriminator": {"propertyName": "type", "mapping": names},
    }
    codes = [code for code in PROBLEMS if code != "internal_error"]
    return collected | {schema_name(code): problem_schema(code) for code in codes}
