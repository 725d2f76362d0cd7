"""The OpenAPI 3.1 document, from the table of operations, the shapes and the error codes."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from libs.contracts import anomalies, api, events, intake
from libs.contracts.events import RewardRef
from libs.contracts.operations import (
    BACKTEST_WEIGHT,
    BATCH_BYTES,
    BODY_BYTES,
    CLOUD_EVENTS,
    JSON,
    OPERATIONS,
    Operation,
    Parameter,
)
from libs.contracts.topics import ORDER_COMPLETED, ORDER_REFUNDED
from libs.web.connections import Limits
from libs.web.json_bounds import MAX_DEPTH, MAX_EXPONENT
from libs.web.problems import MEDIA_TYPE, PROBLEMS
from tools.docs.problems import problem_schema, schema_name
from tools.docs.shapes import Json, Shapes

VERSION: Final = "1.0.0"
_SCHEMAS: Final = "#/components/schemas/"
_LIMITS: Final = Limits()

# What any operation may answer, whatever it does; a body brings more, a write still more.
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

# The first word of a path tells what it is about.
_TAGS: Final = {
    "loyalty-programs": "Programs",
    "earn": "Points",
    "adjust": "Points",
    "events": "Orders",
    "customers": "Customers",
    "summary": "Customers",
    "transactions": "Transactions",
    "rewards": "Rewards",
    "redeem": "Redemptions",
    "redemptions": "Redemptions",
    "anomalies": "Anomalies",
    "anomaly-settings": "Anomalies",
}

_TOLD: Final = {
    "Programs": "What a dollar earns, and the tiers that customers climb.",
    "Points": "Awards and corrections by hand.",
    "Orders": "What a shop tells of its orders, where it does not publish to Kafka.",
    "Customers": "Balances, tiers and accounts, one by one and at a glance.",
    "Transactions": "The ledger: every change of a balance.",
    "Rewards": "The catalog of what points buy.",
    "Redemptions": "Points for rewards, and what became of them.",
    "Anomalies": "Suspicious earning, its review, and what is looked for.",
    "Service": "The service itself. These need no key.",
}

_ABOUT: Final = f"""\
Points, tiers and rewards for shops. Every path is one of a store's; `me` is the store of the key, so
that a client needs nothing but its key.

**Keys.** Send `Authorization: Bearer wk_live_…`. A key carries scopes: read, earn, redeem, manage,
admin. None includes another.

**Writes** take an `Idempotency-Key`: for at least 24 hours the same key with the same request gets the
first answer again, marked `Idempotency-Hit: true`, and acts once.

**Errors** are problem details (RFC 9457). `code` is stable; `type` leads to a page that explains it.
All faulty values of a request are told at once.

**Lists** come in pages: `limit` and `starting_after` in, `has_more` out. `total` is exact up to 10,000.

**Numbers.** Points are whole. Rates and multipliers are exact decimals, written as JSON numbers; money
is read as text or number and written as text. Times are UTC with milliseconds; any offset is taken in.

**Sizes.** A body may have {BODY_BYTES // 1024} KiB, a batch {BATCH_BYTES // 1024**2} MiB; JSON may be nested
{MAX_DEPTH} levels deep, and a number's exponent is from -{MAX_EXPONENT} to {MAX_EXPONENT}. A request may have
{_LIMITS.headers} headers and {_LIMITS.header_bytes // 1024} KiB of them. It arrives within
{_LIMITS.header_seconds:.0f} seconds; a large body may take longer, at
{_LIMITS.min_bytes_per_second // 1024} KiB a second.

**Rates.** A key may make 100 requests a second, 200 at once. A batch counts as its entries, a backtest as
{BACKTEST_WEIGHT} requests; such a request goes ahead while anything is left, and the key then waits until the
difference is made up. `Retry-After` says for how long.
"""


class Example(Struct, frozen=True, kw_only=True):
    """A request as it was sent to the running system, and what it answered."""

    media_type: str | None = None
    request: Any = None
    answer: Any = None


class Examples(Struct, frozen=True):
    """Recorded exchanges by operation, and problems by code."""

    operations: Mapping[str, Example]
    problems: Mapping[str, Any]


def document(examples: Examples) -> Json:
    """The whole document; `examples` are shown with their operations and errors."""
    shapes = Shapes(_SCHEMAS, _raw_fields(), closed=(RewardRef,))
    paths: Json = {}
    for operation in OPERATIONS:
        path = paths.setdefault(f"/v1/stores/{{store_id}}/{operation.path}", _path_of(operation))
        path[operation.method.lower()] = _operation(operation, shapes, examples)
    paths |= _pages()
    return _pruned(
        {
            "openapi": "3.1.0",
            "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
            "info": {
                "title": "Whale Loyalty",
                "version": VERSION,
                "summary": "A points engine for shops.",
                "description": _ABOUT,
                "license": {"name": "Apache 2.0", "identifier": "Apache-2.0"},
            },
            "servers": [{"url": "/", "description": "The gateway that serves this document."}],
            "security": [{"key": []}],
            "tags": [{"name": name, "description": told} for name, told in _TOLD.items()],
            "paths": paths,
            "components": {
                "schemas": dict(sorted(_schemas(shapes).items())),
                "responses": dict(_refusals(examples)),
                "parameters": _PARAMETERS,
                "headers": _HEADERS,
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


def _pruned(document: Json) -> Json:
    """The document without components that nothing points at, some of which only each other do."""
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


_PARAMETERS: Final[Json] = {
    "store_id": {
        "name": "store_id",
        "in": "path",
        "required": True,
        "description": "The store's id, or `me`: the store of the key.",
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"},
        "example": "me",
    },
    "idempotency_key": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "1-255 printable characters, bare or in double quotes, such as "
        "`birthday-2026-cust_abc123`. Repeated with the same request it gets the first answer; with "
        "another it is refused.",
        "schema": {"type": "string", "pattern": "^[!#-~]{1,255}$"},
    },
}
_TEXT: Final = {"type": "string"}
_HEADERS: Final[Json] = {
    name: {"description": told, "schema": schema}
    for name, told, schema in (
        ("X-Request-Id", "Finds the request in the logs; your own, if you sent one.", _TEXT),
        (
            "Idempotency-Hit",
            "`true` where this is the answer of an earlier request.",
            {"type": "string", "const": "true"},
        ),
        (
            "Retry-After",
            "Seconds to wait before the next try.",
            {"type": "string", "pattern": "^[0-9]+$"},
        ),
        ("RateLimit", "What is left of the allowance, and when there is more.", _TEXT),
        ("RateLimit-Policy", "The allowance, and the seconds in which it refills.", _TEXT),
        ("WWW-Authenticate", "How to say who you are.", {"type": "string", "const": "Bearer"}),
    )
}
_HEADERS_OF: Final = {
    401: ("WWW-Authenticate",),
    429: ("Retry-After", "RateLimit", "RateLimit-Policy"),
    503: ("Retry-After",),
}


def _headers(*names: str) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in ("X-Request-Id", *names)}


# -- operations


def codes_of(operation: Operation) -> tuple[str, ...]:
    """Every error code that the operation may answer."""
    with_body = _WITH_BODY if operation.method != "GET" else ()
    with_key = _WITH_KEY if operation.is_write else ()
    return (*_COMMON, *with_body, *with_key, *operation.errors)


def _path_of(operation: Operation) -> Json:
    parameters = [{"$ref": "#/components/parameters/store_id"}]
    if operation.subject is not None:
        parameters.append(_parameter(operation.subject, place="path"))
    return {"parameters": parameters}


def _parameter(parameter: Parameter, *, place: str) -> Json:
    shown = {
        "name": parameter.name,
        "in": place,
        "description": parameter.meaning,
        "schema": dict(parameter.schema),
    }
    return shown | ({"required": True} if parameter.required else {})


def _operation(operation: Operation, shapes: Shapes, examples: Examples) -> Json:
    example = examples.operations.get(operation.id, Example())
    parameters = [_parameter(one, place="query") for one in operation.query]
    if operation.is_write:
        parameters.append({"$ref": "#/components/parameters/idempotency_key"})
    shown: Json = {
        "operationId": operation.id,
        "summary": operation.summary,
        "description": f"Needs the scope `{operation.scope}`.",
        "tags": [_tag(operation.path)],
        "x-scope": operation.scope,
        "x-owner": operation.owner,
    }
    if parameters:
        shown["parameters"] = parameters
    if operation.request is not None:
        shown["requestBody"] = _request(operation, shapes, example)
    shown["responses"] = {
        str(operation.status): _success(operation, shapes, example),
        **_errors(codes_of(operation), examples),
    }
    return shown


def _tag(path: str) -> str:
    return next(_TAGS[word] for word in path.split("/") if word in _TAGS)


def _request(operation: Operation, shapes: Shapes, example: Example) -> Json:
    content: Json = {}
    for media_type in operation.media_types:
        schema = shapes.of(operation.request)
        if media_type == CLOUD_EVENTS:
            bounds = {"minItems": 1, "maxItems": intake.MAX_EVENTS}
            schema = {"type": "array", "items": schema, **bounds}
        content[media_type] = {"schema": schema}
        if example.media_type == media_type and example.request is not None:
            content[media_type]["example"] = example.request
    return {"required": True, "content": content}


def _success(operation: Operation, shapes: Shapes, example: Example) -> Json:
    names = ("Idempotency-Hit",) if operation.is_write else ()
    answer: Json = {"description": _SAID[operation.status], "headers": _headers(*names)}
    if operation.answer is not None:
        content: Json = {"schema": _answer(operation, shapes)}
        if example.answer is not None:
            content["example"] = example.answer
        answer["content"] = {JSON: content}
    return answer


_SAID: Final = {
    200: "As asked.",
    201: "Created.",
    202: "Taken: a verdict for each event, in order.",
    204: "Gone.",
}


def _answer(operation: Operation, shapes: Shapes) -> Json:
    if not operation.listed:
        return shapes.of(operation.answer)
    kinds = (operation.answer, operation.answer_for_customer)
    lists = [_page(kind, shapes) for kind in kinds if kind is not None]
    return lists[0] if len(lists) == 1 else {"anyOf": lists}


def _page(kind: type, shapes: Shapes) -> Json:
    """The schema of a page of these."""
    name = f"{kind.__name__}List"
    shapes.found[name] = {
        "type": "object",
        "properties": {
            "data": {"type": "array", "items": shapes.of(kind)},
            "total": {"type": "integer", "description": "How many match, counted up to 10,000."},
            "has_more": {"type": "boolean", "description": "Whether more follow."},
            "total_more": {"type": "boolean", "description": "Set where more than `total` match."},
        },
        "required": ["data", "total", "has_more"],
        "additionalProperties": False,
    }
    return shapes.ref(name)


# -- errors


def _errors(codes: Iterable[str], examples: Examples) -> Json:
    """The responses of the codes, by status."""
    by_status: defaultdict[int, list[str]] = defaultdict(list)
    for code in codes:
        by_status[PROBLEMS[code].status].append(code)
    return {
        str(status): {"$ref": f"#/components/responses/{schema_name(found[0])}"}
        if len(found) == 1
        else _refusal(found, examples)
        for status, found in sorted(by_status.items())
    }


def _refusals(examples: Examples) -> Iterable[tuple[str, Json]]:
    for code in PROBLEMS:
        if code != "internal_error":
            yield schema_name(code), _refusal([code], examples)


def _refusal(codes: Sequence[str], examples: Examples) -> Json:
    """A response that carries one of the problems."""
    status = PROBLEMS[codes[0]].status
    content: Json = {"schema": _one_of(codes)}
    shown = {
        code: {"value": examples.problems[code]} for code in codes if code in examples.problems
    }
    if shown:
        content["examples"] = shown
    return {
        "description": " · ".join(f"{PROBLEMS[code].title} (`{code}`)" for code in codes),
        "headers": _headers(*_HEADERS_OF.get(status, ())),
        "content": {MEDIA_TYPE: content},
    }


def _one_of(codes: Sequence[str]) -> Json:
    refs = [{"$ref": _SCHEMAS + schema_name(code)} for code in codes]
    if len(refs) == 1:
        return refs[0]
    mapping = {code: _SCHEMAS + schema_name(code) for code in codes}
    return {"oneOf": refs, "discriminator": {"propertyName": "code", "mapping": mapping}}


# -- shapes


def _raw_fields() -> dict[tuple[type, str], Json]:
    """The fields that are read or written as raw JSON, and what they hold."""
    earn = {"$ref": f"{_SCHEMAS}EarnRequest"}
    return {
        (api.EarnBatchRequest, "items"): {
            "type": "array",
            "items": earn,
            "minItems": 1,
            "maxItems": api.MAX_BATCH_ITEMS,
        },
        (api.Verdict, "problem"): _one_of(_ITEM_PROBLEMS),
        (intake.EventVerdict, "problem"): {"$ref": f"{_SCHEMAS}{schema_name('invalid_request')}"},
        (anomalies.Anomaly, "evidence"): {
            "type": "object",
            "description": "The numbers it was judged by.",
        },
    }


def _schemas(shapes: Shapes) -> Json:
    """All schemas: the collected ones, the events in their envelopes, the problems."""
    found = shapes.found
    envelope = found.pop("EventEnvelope")
    names: Json = {}
    for topic, kind in (
        (ORDER_COMPLETED, events.OrderCompleted),
        (ORDER_REFUNDED, events.OrderRefunded),
    ):
        data = shapes.of(kind)
        value = found[kind.__name__]
        value["required"] = [field for field in value["required"] if field != "store_id"]
        value["properties"]["store_id"]["description"] = "The key's own store; may be left out."
        properties = envelope["properties"] | {
            "type": {"type": "string", "const": topic},
            "data": data,
        }
        name = f"{kind.__name__}Event"
        names[topic] = f"{_SCHEMAS}{name}"
        found[name] = {**envelope, "properties": properties}
    found["EventEnvelope"] = {
        "description": envelope["description"],
        "oneOf": [{"$ref": ref} for ref in names.values()],
        "discriminator": {"propertyName": "type", "mapping": names},
    }
    codes = [code for code in PROBLEMS if code != "internal_error"]
    return found | {schema_name(code): problem_schema(code) for code in codes}


# -- pages beside /v1


def _pages() -> Json:
    not_found = {"404": {"$ref": f"#/components/responses/{schema_name('not_found')}"}}
    failing = {"type": "object", "additionalProperties": _TEXT}
    state = {"type": "object", "properties": {"status": _TEXT}}
    # The reasons are shown to holders of the internal token.
    not_ready = {"type": "object", "properties": {"status": _TEXT, "failing": failing}}
    code = Parameter("code", "An error's code.", {"type": "string"}, required=True)
    return {
        "/health/live": _page_of("live", "Tell that the process answers.", {"200": state}),
        "/health/ready": _page_of(
            "ready", "Tell whether it can do its work.", {"200": state, "503": not_ready}
        ),
        "/openapi.json": _page_of("getOpenApi", "Get this document.", {"200": {"type": "object"}}),
        "/docs": _page_of("getDocs", "Read this document.", {"200": None}),
        "/problems/{code}": {
            "parameters": [_parameter(code, place="path")],
            **_page_of(
                "explainProblem", "Read what an error code means.", {"200": None}, not_found
            ),
        },
    }


def _page_of(
    name: str, summary: str, answers: Mapping[str, Json | None], errors: Json | None = None
) -> Json:
    """A page for people where the schema is None, else JSON."""
    responses = {
        status: {
            "description": "As asked." if status == "200" else "Not at the moment.",
            "content": {"text/html": {"schema": {"type": "string"}}}
            if schema is None
            else {"application/json": {"schema": schema}},
        }
        for status, schema in answers.items()
    }
    return {
        "get": {
            "operationId": name,
            "summary": summary,
            "description": "Needs no key.",
            "tags": ["Service"],
            "security": [],
            "responses": responses | (errors or {}),
        }
    }
