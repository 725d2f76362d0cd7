"""The generated reference: never stale, valid by its standards, true to the code, frozen where due."""

import hashlib
import inspect
import json
import re
from pathlib import Path
from typing import Any, get_type_hints

import aiohttp
import jsonschema_rs
import msgspec
import pytest
from faststream.specification.asyncapi.v3_0_0.schema import ApplicationSchema
from litestar.handlers import HTTPRouteHandler
from msgspec import Struct
from openapi_spec_validator import OpenAPIV31SpecValidator

from libs.contracts.api import Request
from libs.contracts.bounds import BOUNDS
from libs.contracts.operations import OPERATIONS, Operation
from libs.contracts.topics import CONSUMED, OPERATED, TOPICS
from libs.messaging.cloudevents import EventReader, Poison
from services.catalog.api import routes as catalog_routes
from services.earning.api import events as earning_events
from services.earning.api import routes as earning_routes
from services.gateway.api import docs
from services.redemption.api import routes as redemption_routes
from tests.support import Shop
from tools.docs import events, files, story
from tools.docs.events import EVENTS, Told
from tools.docs.openapi import Examples

OPENAPI = json.loads((files.FOLDER / "openapi.json").read_text())
ASYNCAPI = json.loads((files.FOLDER / "asyncapi.json").read_text())
EXAMPLES = msgspec.json.decode(files.EXAMPLES.read_bytes(), type=Examples)

# What was committed once and is read for ever: where a digest differs, put the sample back and add
# another file beside it.
FROZEN = {
    "anomaly.flagged.v1.json": "ef817c8cb8a44b44",
    "anomaly.flagged.v1.withdrawn.json": "c14b4bfde512fc87",
    "anomaly.resolved.v1.json": "f0e936c467e1e921",
    "catalog.reward.v1.json": "f0d45be7e2ecc0a1",
    "order.completed.v1.json": "f414c2ea15d6c82c",
    "order.refunded.v1.json": "867bf45e968b8c56",
    "points.adjusted.v1.json": "5ee746f08c015cad",
    "points.earned.v1.json": "c12847d86d8cfb70",
    "points.redeemed.v1.json": "05da54994558f943",
    "points.tier_changed.v1.json": "9c7e7d21182d9965",
}

ROUTES = {
    "earning": (*earning_routes.ROUTES, *earning_events.ROUTES),
    "catalog": catalog_routes.ROUTES,
    "redemption": redemption_routes.ROUTES,
}

by_topic = pytest.mark.parametrize("told", EVENTS, ids=[told.topic for told in EVENTS])


@pytest.mark.parametrize("path", files.generated(), ids=lambda path: path.name)
def test_nothing_generated_is_stale(path: Path) -> None:
    assert path.read_text() == files.generated()[path], "stale: run `make docs`"


def test_nothing_generated_is_left_over() -> None:
    known = {*files.generated(), files.EXAMPLES, *files.SAMPLES.iterdir()}
    assert {path for path in files.FOLDER.rglob("*") if path.is_file()} == known


# -- OpenAPI


def test_the_openapi_document_is_valid() -> None:
    # The validator reads patterns as Python's re does, which knows no \p{L}; they are held to JSON
    # Schema's own rules below.
    readable = json.loads(re.sub(r"\\\\p\{\w+\}", "a", json.dumps(OPENAPI)))
    assert [str(error) for error in OpenAPIV31SpecValidator(readable).iter_errors()] == []


@pytest.mark.parametrize("name", OPENAPI["components"]["schemas"])
def test_every_schema_is_a_json_schema(name: str) -> None:
    jsonschema_rs.meta.validate(OPENAPI["components"]["schemas"][name])


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.id)
def test_every_operation_is_documented_with_its_answers(operation: Operation) -> None:
    path = OPENAPI["paths"][f"/v1/stores/{{store_id}}/{operation.path}"]
    shown = path[operation.method.lower()]
    assert shown["operationId"] == operation.id
    assert {str(operation.status), "400", "401", "403", "404", "429", "503"} <= set(
        shown["responses"]
    )


@pytest.mark.parametrize("owner", ROUTES)
def test_a_services_routes_are_those_of_the_table(owner: str) -> None:
    handlers = [one for one in ROUTES[owner] if isinstance(one, HTTPRouteHandler)]
    served = {
        (method, _template(path)): one.operation_id
        for one in handlers
        for method in one.http_methods - {"OPTIONS", "HEAD"}
        for path in one.paths
    }
    declared = {
        (one.method, _template(f"/v1/stores/{{store_id}}/{one.path}")): one
        for one in OPERATIONS
        if owner in {one.owner, one.for_customer}
    }
    assert set(served) == set(declared)
    for place, one in declared.items():
        name = one.id if one.owner == owner else f"{one.id}ForCustomer"
        assert served[place] == name


def _template(path: str) -> str:
    return "/".join("{}" if step.startswith("{") else step for step in path.split("/"))


def _requests() -> set[type[Struct]]:
    """The structs of every request, and those inside them; other tests define some of their own."""
    bodies = {operation.request for operation in OPERATIONS}
    nested = {kind for kind in Request.__subclasses__() if kind.__module__.startswith("libs.")}
    return nested | {kind for kind in bodies if inspect.isclass(kind) and issubclass(kind, Struct)}


@pytest.mark.parametrize("kind", sorted(_requests(), key=lambda one: one.__name__))
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


async def test_the_bare_address_leads_to_the_page(shop: Shop) -> None:
    assert (await shop.page("/")).raw == (await shop.page("/docs")).raw


def test_the_page_asks_no_other_host_for_anything() -> None:
    page = docs.render(OPENAPI)
    loaded = re.findall(r"(?:\b(?:src|href)=|\burl\(|@import )[\"']?([^\"') >]+)", page)
    assert loaded
    assert all(target.startswith(("#", "/")) for target in loaded), loaded


# -- examples


def _schemas_of(operation_id: str) -> tuple[Any, Any]:
    """The schemas of a request by media type, and of the answer."""
    shown = next(
        method
        for path in OPENAPI["paths"].values()
        for method in path.values()
        if isinstance(method, dict) and method["operationId"] == operation_id
    )
    success = next(one for status, one in shown["responses"].items() if status < "300")
    return shown.get("requestBody", {}).get("content", {}), success.get("content", {})


def assert_conforms(value: Any, schema: Any) -> None:
    whole = {**schema, "components": OPENAPI["components"]}
    errors = [error.message for error in jsonschema_rs.iter_errors(whole, value)]
    assert errors == []


@pytest.mark.parametrize("operation_id", EXAMPLES.operations)
def test_recorded_examples_conform_to_their_schemas(operation_id: str) -> None:
    example = EXAMPLES.operations[operation_id]
    requests, answers = _schemas_of(operation_id)
    if answers or example.answer is not None:
        assert_conforms(example.answer, answers["application/json"]["schema"])
    if operation_id not in {"earnBatch", "sendEvents"}:  # which show a faulty item as well
        for content in requests.values():
            assert_conforms(example.request, content["schema"])


@pytest.mark.parametrize("code", EXAMPLES.problems)
def test_recorded_problems_conform_to_their_schemas(code: str) -> None:
    name = "".join(word.capitalize() for word in code.split("_")) + "Problem"
    assert_conforms(EXAMPLES.problems[code], OPENAPI["components"]["schemas"][name])


async def test_the_running_system_answers_as_the_examples_say(shop: Shop) -> None:
    """The story the examples come from, told again: the same outcomes in the same shapes."""
    keys = story.Keys(
        shop.key,
        await shop.stack.key(shop.store_id, scopes="read"),
        await shop.stack.key(shop.store_id, scopes="read"),
    )
    async with aiohttp.ClientSession() as session:
        told = await story.tell(story.Teller(session, shop.stack.gateway, keys))
    again = msgspec.json.decode(msgspec.json.encode(told), type=Examples)
    assert _shape(again.problems) == _shape(EXAMPLES.problems)
    for name, example in EXAMPLES.operations.items():
        assert _shape(again.operations[name].answer) == _shape(example.answer), name
    assert set(again.operations) == set(EXAMPLES.operations)


def _shape(value: Any) -> Any:
    """What stands where, without the values."""
    if isinstance(value, dict):
        return {name: _shape(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_shape(one) for one in value]
    return type(value).__name__


def test_every_operation_has_an_example() -> None:
    assert set(EXAMPLES.operations) == {one.id for one in OPERATIONS}


# -- AsyncAPI and events


def test_the_asyncapi_document_is_valid() -> None:
    # Its model asks for a path of servers, which the standard leaves open.
    server = {"local": {**ASYNCAPI["servers"]["local"], "pathname": ""}}
    read = ApplicationSchema.model_validate({**ASYNCAPI, "servers": server})
    assert read.asyncapi == "3.0.0"
    assert set(read.channels) == set(ASYNCAPI["channels"])
    _assert_references_resolve(ASYNCAPI, ASYNCAPI)


def _assert_references_resolve(node: Any, document: Any) -> None:
    if isinstance(node, dict):
        if "$ref" in node:
            found = document
            for step in node["$ref"].removeprefix("#/").split("/"):
                found = found[step]
        for one in node.values():
            _assert_references_resolve(one, document)
    elif isinstance(node, list):
        for one in node:
            _assert_references_resolve(one, document)


def test_every_topic_is_in_the_asyncapi_document() -> None:
    wanted = {topic.name for topic in TOPICS} | {topic.dead_letters for topic in CONSUMED}
    assert set(ASYNCAPI["channels"]) == wanted
    assert {told.topic for told in EVENTS} == {one.name for one in TOPICS if one not in OPERATED}


@by_topic
def test_every_sample_conforms_to_the_schema_of_its_topic(told: Told) -> None:
    schema = events.schema_of(told)
    jsonschema_rs.meta.validate(schema)
    value = events.sample_of(files.SAMPLES, told).value
    assert [error.message for error in jsonschema_rs.iter_errors(schema, value)] == []


class Record(Struct):
    """A record as a consumer gets it."""

    value: bytes
    headers: list[tuple[str, bytes]]


def _read(told: Told, sample: events.Sample, value: Any) -> Any:
    headers = [(name, text.encode()) for name, text in sample.headers.items()]
    return EventReader(told.topic, kind=told.kind).read(Record(json.dumps(value).encode(), headers))


def _samples() -> list[Any]:
    return [
        pytest.param(told, path, id=path.name)
        for path in sorted(files.SAMPLES.iterdir())
        for told in EVENTS
        if path.name.startswith(f"{told.topic}.")
    ]


@pytest.mark.parametrize(("told", "path"), _samples())
def test_every_sample_ever_committed_is_read_whole(told: Told, path: Path) -> None:
    sample = msgspec.json.decode(path.read_bytes(), type=events.Sample)
    event = _read(told, sample, sample.value)
    again = json.loads(msgspec.json.Encoder(decimal_format="string").encode(event))
    assert again == sample.value


@pytest.mark.parametrize(("told", "path"), _samples())
def test_an_older_event_lacks_a_field_and_a_newer_one_has_one_more(told: Told, path: Path) -> None:
    sample = msgspec.json.decode(path.read_bytes(), type=events.Sample)
    required = set(events.schema_of(told)["required"])
    for name in set(sample.value) - required:
        older = {field: one for field, one in sample.value.items() if field != name}
        assert _read(told, sample, older)
    for name in required:
        with pytest.raises(Poison):
            _read(told, sample, {f: one for f, one in sample.value.items() if f != name})
    newer = {**sample.value, "a_field_of_tomorrow": {"of": "any kind"}}
    assert _read(told, sample, newer) == _read(told, sample, sample.value)


@by_topic
def test_the_samples_show_every_field(told: Told) -> None:
    """One of an event's topics shows each field, so that none can be dropped unseen."""
    kin = tuple(f"{one.topic}." for one in EVENTS if one.kind is told.kind)
    samples = [path for path in files.SAMPLES.iterdir() if path.name.startswith(kin)]
    shown = {name for path in samples for name in json.loads(path.read_bytes())["value"]}
    assert shown == set(events.schema_of(told)["properties"])


def test_samples_are_frozen() -> None:
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        for path in files.SAMPLES.iterdir()
    }
    assert found == FROZEN
