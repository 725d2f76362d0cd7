"""The generated reference is up to date, valid by its standards, and true to the code."""

import hashlib
import inspect
import json
import re
from pathlib import Path
from typing import Any, cast, get_type_hints

import aiohttp
import jsonschema_rs
import msgspec
import pytest
from faststream.specification.asyncapi.v3_0_0.schema import ApplicationSchema
from litestar.handlers import HTTPRouteHandler
from msgspec import Struct
from openapi_spec_validator import OpenAPIV31SpecValidator
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts.api import Request
from libs.contracts.bounds import BOUNDS
from libs.contracts.operations import OPERATIONS, Operation
from libs.contracts.topics import CONSUMED, OPERATED, TOPICS
from libs.messaging.cloudevents import EventReader, Poison
from services.anomaly.api import routes as anomaly_routes
from services.catalog.api import routes as catalog_routes
from services.earning.api import routes as earning_routes
from services.gateway.api import docs, own_operations
from services.gateway.handlers.pipeline import PipelineReader
from services.redemption.api import routes as redemption_routes
from tests.support import Shop
from tools.docs import events, files, scenario
from tools.docs.events import EVENTS, EventDoc
from tools.docs.openapi import Examples

OPENAPI = json.loads((files.FOLDER / "openapi.json").read_text())
ASYNCAPI = json.loads((files.FOLDER / "asyncapi.json").read_text())
EXAMPLES = msgspec.json.decode(files.EXAMPLES.read_bytes(), type=Examples)

# Digests of the committed samples, which later readers must still read. If a digest differs, restore the
# sample and add another file next to it.
FROZEN = {
    "anomaly.flagged.v1.json": "ef817c8cb8a44b44",
    "anomaly.flagged.v1.withdrawn.json": "c14b4bfde512fc87",
    "anomaly.resolved.v1.json": "f0e936c467e1e921",
    "anomaly.resolved.v1.reviewer.json": "005b569be1d335fd",
    "catalog.reward.v1.json": "f0d45be7e2ecc0a1",
    "order.completed.v1.json": "f414c2ea15d6c82c",
    "order.fulfilled.v1.json": "c1a2b67571ccf1f9",
    "order.refunded.v1.json": "867bf45e968b8c56",
    "points.adjusted.v1.json": "5ee746f08c015cad",
    "points.earned.v1.json": "c12847d86d8cfb70",
    "points.redeemed.v1.json": "05da54994558f943",
    "points.tier_changed.v1.json": "9c7e7d21182d9965",
}

ROUTES = {
    "earning": earning_routes.PUBLIC,
    "catalog": catalog_routes.ROUTES,
    "redemption": redemption_routes.ROUTES,
    "anomaly": anomaly_routes.ROUTES,
}

by_topic = pytest.mark.parametrize("event", EVENTS, ids=[event.topic for event in EVENTS])


@pytest.mark.parametrize("path", files.generated(), ids=lambda path: path.name)
def test_a_generated_file_is_up_to_date(path: Path) -> None:
    assert path.read_text() == files.generated()[path], "stale: run `make docs`"


def test_the_folder_holds_no_other_files() -> None:
    generated = {path for path in files.generated() if path.is_relative_to(files.FOLDER)}
    expected = {*generated, files.EXAMPLES, *files.SAMPLES.iterdir()}
    assert {path for path in files.FOLDER.rglob("*") if path.is_file()} == expected


# -- OpenAPI


def test_the_openapi_document_is_valid() -> None:
    # The validator compiles patterns with Python's re, which does not support \p{L}; the test below
    # checks them by JSON Schema's own rules.
    readable = json.loads(re.sub(r"\\\\p\{\w+\}", "a", json.dumps(OPENAPI)))
    assert [str(error) for error in OpenAPIV31SpecValidator(readable).iter_errors()] == []


@pytest.mark.parametrize("name", OPENAPI["components"]["schemas"])
def test_every_schema_is_a_json_schema(name: str) -> None:
    jsonschema_rs.meta.validate(OPENAPI["components"]["schemas"][name])


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.id)
def test_every_operation_is_documented_with_its_responses(operation: Operation) -> None:
    path = OPENAPI["paths"][f"/v1/stores/{{store_id}}/{operation.path}"]
    document = path[operation.method.lower()]
    assert document["operationId"] == operation.id
    assert {str(operation.status), "400", "401", "403", "404", "429", "503"} <= set(
        document["responses"]
    )


@pytest.mark.parametrize("owner", ROUTES)
def test_a_service_s_routes_are_those_in_the_table_of_operations(owner: str) -> None:
    handlers = [route for route in ROUTES[owner] if isinstance(route, HTTPRouteHandler)]
    served = {
        (method, _template(path)): handler.operation_id
        for handler in handlers
        for method in handler.http_methods - {"OPTIONS", "HEAD"}
        for path in handler.paths
    }
    declared = {
        (operation.method, _template(f"/v1/stores/{{store_id}}/{operation.path}")): operation
        for operation in OPERATIONS
        if owner in {operation.owner, operation.for_customer}
    }
    assert set(served) == set(declared)
    for route, operation in declared.items():
        is_owner = operation.owner == owner
        assert served[route] == (operation.id if is_owner else f"{operation.id}ForCustomer")


def test_the_gateway_responds_to_its_own_operations() -> None:
    own = own_operations.OwnOperations(cast("AsyncEngine", None), cast("PipelineReader", None))
    declared = {operation.id for operation in OPERATIONS if operation.owner == "gateway"}
    assert set(own._operations) == declared


def _template(path: str) -> str:
    return "/".join("{}" if step.startswith("{") else step for step in path.split("/"))


def _requests() -> set[type[Struct]]:
    """The structs of every request, and those inside them; other tests define some of their own."""
    bodies: set[Any] = {operation.request for operation in OPERATIONS}
    nested = {kind for kind in Request.__subclasses__() if kind.__module__.startswith("libs.")}
    return nested | {kind for kind in bodies if inspect.isclass(kind) and issubclass(kind, Struct)}


@pytest.mark.parametrize("kind", sorted(_requests(), key=repr))
def test_every_text_and_number_of_a_request_has_bounds(kind: type[Struct]) -> None:
    open_ended = {
        field.name
        for field in msgspec.structs.fields(kind)
        if {"str", "int", "Decimal", "Money", "Exact", "list", "dict"}
        & set(str(field.type).replace("[", " ").replace("'", " ").replace(".", " ").split())
        and "Literal" not in str(field.type)
    }
    assert open_ended <= set(BOUNDS.get(kind, {}))
    assert set(BOUNDS.get(kind, {})) <= set(get_type_hints(kind))


async def test_the_gateway_serves_the_document_and_a_page_of_it(shop: Shop) -> None:
    served = await shop.page("/openapi.json")
    assert served.headers["Content-Type"] == "application/json"
    assert served.json == OPENAPI
    page = await shop.page("/docs")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    text = page.raw.decode()
    for operation in OPERATIONS:
        assert f'<article id="{operation.id}">' in text


async def test_the_root_path_serves_the_page_too(shop: Shop) -> None:
    assert (await shop.page("/")).raw == (await shop.page("/docs")).raw


def test_the_page_loads_no_resource_from_another_host() -> None:
    page = docs.render(OPENAPI)
    resources = re.findall(r"(?:\b(?:src|href)=|\burl\(|@import )[\"']?([^\"') >]+)", page)
    assert resources
    assert all(target.startswith(("#", "/")) for target in resources), resources


# -- examples


def _schemas_of(operation_id: str) -> tuple[Any, Any]:
    """The contents of an operation's request and of its successful response, by media type."""
    document = next(
        method
        for path in OPENAPI["paths"].values()
        for method in path.values()
        if isinstance(method, dict) and method["operationId"] == operation_id
    )
    success = next(each for status, each in document["responses"].items() if status < "300")
    return document.get("requestBody", {}).get("content", {}), success.get("content", {})


def assert_conforms(value: Any, schema: Any) -> None:
    whole = {**schema, "components": OPENAPI["components"]}
    errors = [error.message for error in jsonschema_rs.iter_errors(whole, value)]
    assert errors == []


@pytest.mark.parametrize("operation_id", EXAMPLES.operations)
def test_recorded_examples_conform_to_their_schemas(operation_id: str) -> None:
    example = EXAMPLES.operations[operation_id]
    requests, responses = _schemas_of(operation_id)
    if responses or example.response is not None:
        assert_conforms(example.response, responses["application/json"]["schema"])
    if operation_id not in {"earnBatch", "sendEvents"}:  # whose examples include an invalid item
        for content in requests.values():
            assert_conforms(example.request, content["schema"])


@pytest.mark.parametrize("code", EXAMPLES.problems)
def test_recorded_problems_conform_to_their_schemas(code: str) -> None:
    name = "".join(word.capitalize() for word in code.split("_")) + "Problem"
    assert_conforms(EXAMPLES.problems[code], OPENAPI["components"]["schemas"][name])


async def test_the_running_system_responds_as_in_the_examples(shop: Shop) -> None:
    """The scenario that recorded the examples, run again: the same outcomes in the same shapes."""
    keys = scenario.Keys(
        full=await shop.stack.key(shop.store_id, scopes=scenario.SCOPES),
        read_only=await shop.stack.key(shop.store_id, scopes="read"),
        rate_limited=await shop.stack.key(shop.store_id, scopes="read"),
    )
    async with aiohttp.ClientSession() as session:
        examples = await scenario.run(scenario.Recorder(session, shop.stack.gateway, keys))
    recorded = msgspec.json.decode(msgspec.json.encode(examples), type=Examples)
    assert _shape(recorded.problems) == _shape(EXAMPLES.problems)
    for name, example in EXAMPLES.operations.items():
        assert _shape(recorded.operations[name].response) == _shape(example.response), name
    assert set(recorded.operations) == set(EXAMPLES.operations)


def _shape(value: Any) -> Any:
    """The names and types in a JSON value, without the values."""
    if isinstance(value, dict):
        return {name: _shape(field) for name, field in value.items()}
    if isinstance(value, list):
        return [_shape(item) for item in value]
    return type(value).__name__


def test_every_operation_has_an_example() -> None:
    assert set(EXAMPLES.operations) == {operation.id for operation in OPERATIONS}


# -- AsyncAPI and events


def test_the_asyncapi_document_is_valid() -> None:
    # FastStream's model requires a path of servers, which is optional in the standard.
    server = {"local": {**ASYNCAPI["servers"]["local"], "pathname": ""}}
    read = ApplicationSchema.model_validate({**ASYNCAPI, "servers": server})
    assert read.asyncapi == "3.0.0"
    assert set(read.channels) == set(ASYNCAPI["channels"])
    _assert_references_resolve(ASYNCAPI, ASYNCAPI)


def _assert_references_resolve(node: Any, document: Any) -> None:
    if isinstance(node, dict):
        if "$ref" in node:
            target = document
            for step in node["$ref"].removeprefix("#/").split("/"):
                target = target[step]
        for child in node.values():
            _assert_references_resolve(child, document)
    elif isinstance(node, list):
        for child in node:
            _assert_references_resolve(child, document)


def test_every_topic_is_in_the_asyncapi_document() -> None:
    channels = {topic.name for topic in TOPICS} | {topic.dead_letters for topic in CONSUMED}
    assert set(ASYNCAPI["channels"]) == channels
    assert {event.topic for event in EVENTS} == {
        topic.name for topic in TOPICS if topic not in OPERATED
    }


@by_topic
def test_every_sample_conforms_to_the_schema_of_its_topic(event: EventDoc) -> None:
    schema = events.schema_of(event)
    jsonschema_rs.meta.validate(schema)
    value = events.read_sample(files.SAMPLES, event).value
    assert [error.message for error in jsonschema_rs.iter_errors(schema, value)] == []


class Record(Struct):
    """A record as a consumer receives it."""

    value: bytes
    headers: list[tuple[str, bytes]]


def _read(event: EventDoc, sample: events.Sample, value: Any) -> Any:
    headers = [(name, text.encode()) for name, text in sample.headers.items()]
    record = Record(json.dumps(value).encode(), headers)
    return EventReader(event.topic, kind=event.kind).read(record)


def _samples() -> list[Any]:
    return [
        pytest.param(event, path, id=path.name)
        for path in sorted(files.SAMPLES.iterdir())
        for event in EVENTS
        if path.name.startswith(f"{event.topic}.")
    ]


@pytest.mark.parametrize(("event", "path"), _samples())
def test_every_sample_is_read_with_all_its_fields(event: EventDoc, path: Path) -> None:
    sample = msgspec.json.decode(path.read_bytes(), type=events.Sample)
    decoded = _read(event, sample, sample.value)
    encoded = json.loads(msgspec.json.Encoder(decimal_format="string").encode(decoded))
    assert encoded == sample.value


@pytest.mark.parametrize(("event", "path"), _samples())
def test_an_event_is_read_without_an_optional_field_and_with_an_unknown_one(
    event: EventDoc, path: Path
) -> None:
    sample = msgspec.json.decode(path.read_bytes(), type=events.Sample)
    required = set(events.schema_of(event)["required"])
    for name in set(sample.value) - required:
        older = {field: value for field, value in sample.value.items() if field != name}
        assert _read(event, sample, older)
    for name in required:
        with pytest.raises(Poison):
            _read(event, sample, {f: value for f, value in sample.value.items() if f != name})
    newer = {**sample.value, "unknown_field": {"of": "any type"}}
    assert _read(event, sample, newer) == _read(event, sample, sample.value)


@by_topic
def test_the_samples_include_every_field(event: EventDoc) -> None:
    """A sample of any topic with this type of event includes each field, so that none can be dropped
    unnoticed."""
    prefixes = tuple(f"{other.topic}." for other in EVENTS if other.kind is event.kind)
    samples = [path for path in files.SAMPLES.iterdir() if path.name.startswith(prefixes)]
    included = {name for path in samples for name in json.loads(path.read_bytes())["value"]}
    assert included == set(events.schema_of(event)["properties"])


def test_samples_are_frozen() -> None:
    digests = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        for path in files.SAMPLES.iterdir()
    }
    assert digests == FROZEN
