"""The OpenAPI document as the page at /docs shows it: operations in groups, with examples."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote

from msgspec import Struct

from services.gateway.api.fields import (
    Content,
    Row,
    content_of,
    parameter_rows,
    resolved,
    words_of,
)

Json = Mapping[str, Any]

_METHODS: Final = ("get", "post", "put", "patch", "delete")
_TOKEN: Final = re.compile(
    r'(?P<key>"(?:[^"\\]|\\.)*")(?=\s*:)|(?P<text>"(?:[^"\\]|\\.)*")|(?P<other>-?\d[\d.eE+-]*|true|false|null)'
)


class Token(Struct, frozen=True):
    """A part of a JSON text: a "key", a "text", an "other" value, or "" for all else."""

    kind: str
    text: str


class Errors(Struct, frozen=True):
    """The codes that an operation may return with a status."""

    status: str
    codes: list[str]


class Entry(Struct, frozen=True, kw_only=True):
    """An operation as the page shows it."""

    id: str
    name: str
    method: str
    path: str
    scope: str
    summary: str
    # Where Swagger UI shows it.
    try_anchor: str
    parameters: list[Row]
    body: Content | None
    status: str
    response: Content | None
    errors: list[Errors]
    curl: str
    example: list[Token]


class Group(Struct, frozen=True):
    """The operations of a tag."""

    name: str
    description: str
    entries: list[Entry]


def groups_of(document: Json) -> list[Group]:
    """The operations of each tag, in the order of the document."""
    by_tag: dict[str, list[Entry]] = {}
    for path, item in document["paths"].items():
        for method in _METHODS:
            if method in item:
                operation = {**item[method]}
                operation["parameters"] = [
                    *item.get("parameters", []),
                    *operation.get("parameters", []),
                ]
                entry = _entry(document, method, path, operation)
                by_tag.setdefault(operation["tags"][0], []).append(entry)
    return [
        Group(tag["name"], tag["description"], by_tag[tag["name"]])
        for tag in document["tags"]
        if tag["name"] in by_tag
    ]


def to_try(document: Json) -> Json:
    """The document as Swagger UI needs it: without the dialect, of which it warns; without references
    to parameters, which it does not follow; for the key's own store."""
    parameters = document["components"]["parameters"]
    store = {**parameters["store_id"], "schema": {"type": "string", "default": "me"}}
    local = {**document, "components": {"parameters": {**parameters, "store_id": store}}}
    paths = {path: _with_parameters(local, item) for path, item in document["paths"].items()}
    fields = {name: value for name, value in document.items() if name != "jsonSchemaDialect"}
    return {**fields, "paths": paths}


def _with_parameters(document: Json, item: Json) -> Json:
    shared = item.get("parameters", [])
    return {
        method: {
            **item[method],
            "parameters": [
                resolved(document, one) for one in [*shared, *item[method].get("parameters", [])]
            ],
        }
        for method in _METHODS
        if method in item
    }


def json_tokens(text: str) -> list[Token]:
    """A JSON text in parts, so that a page can color them."""
    tokens: list[Token] = []
    end = 0
    for match in _TOKEN.finditer(text):
        if match.start() > end:
            tokens.append(Token("", text[end : match.start()]))
        tokens.append(Token(str(match.lastgroup), match[0]))
        end = match.end()
    return [*tokens, Token("", text[end:])]


def _entry(document: Json, method: str, path: str, operation: Json) -> Entry:
    body = operation.get("requestBody")
    status, response = next(
        (status, response) for status, response in operation["responses"].items() if status < "300"
    )
    identifier = operation["operationId"]
    return Entry(
        id=identifier,
        name=words_of(identifier),
        method=method.upper(),
        path=path,
        scope=operation.get("x-scope", ""),
        summary=operation["summary"],
        try_anchor=f"#/{quote(operation['tags'][0])}/{identifier}",
        parameters=parameter_rows(document, operation["parameters"]),
        body=content_of(document, body["content"]) if body else None,
        status=status,
        response=content_of(document, response.get("content", {}), is_response=True),
        errors=list(_errors(document, operation["responses"])),
        curl=_curl(method, path, operation),
        example=_example(response),
    )


def _errors(document: Json, responses: Json) -> Iterator[Errors]:
    for status, response in responses.items():
        if status < "400":
            continue
        content = resolved(document, response)["content"].get("application/problem+json")
        if content is not None:
            schemas = content["schema"].get("oneOf", [content["schema"]])
            codes = [resolved(document, one)["properties"]["code"]["const"] for one in schemas]
            yield Errors(status, codes)


def _curl(method: str, path: str, operation: Json) -> str:
    """The call as a command, with the recorded body."""
    target = path.replace("{store_id}", "me")
    words = [f'curl "$WHALE{target}"']
    if method not in {"get", "post"}:
        words.append(f"-X {method.upper()}")
    if "x-scope" in operation:
        words.append('-H "Authorization: Bearer $WHALE_API_KEY"')
    for media_type, content in operation.get("requestBody", {"content": {}})["content"].items():
        if "example" in content:
            text = _pretty(content["example"]).replace("'", "'\\''")
            words += [f'-H "Content-Type: {media_type}"', f"-d '{text}'"]
    return " \\\n  ".join(words)


def _example(response: Json) -> list[Token]:
    for content in response.get("content", {}).values():
        if "example" in content:
            return json_tokens(_pretty(content["example"]))
    return []


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
