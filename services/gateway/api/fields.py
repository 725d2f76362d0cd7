"""The fields of parameters and bodies in the OpenAPI document, in words."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from msgspec import Struct

Json = Mapping[str, Any]

# Fields of fields are shown up to this depth; the document itself has all of them.
_DEPTH: Final = 3
# A longer pattern does not help a person.
_LONGEST_PATTERN: Final = 40


class Row(Struct, frozen=True, kw_only=True):
    """A field with the fields inside it, or the heading of one of several alternatives."""

    name: str
    is_heading: bool = False
    # "required" or "may be absent", or neither.
    mark: str = ""
    notes: str = ""
    description: str = ""
    inner: list["Row"] = []


class Content(Struct, frozen=True, kw_only=True):
    """What a body contains: the fields of its first media type and what they mean, and the names of all media
    types."""

    media_types: list[str]
    description: str
    rows: list[Row]
    is_page: bool


def parameter_rows(document: Json, parameters: Iterable[Json]) -> list[Row]:
    """The parameters of an operation, without the store, which every path has."""
    rows = []
    for reference in parameters:
        parameter = resolved(document, reference)
        if parameter["name"] == "store_id":
            continue
        place = "" if parameter["in"] == "query" else f" in the {parameter['in']}"
        schema = {**parameter["schema"], "description": parameter["description"]}
        mark = "required" if parameter.get("required") else ""
        rows.append(_row(document, parameter["name"], schema, mark=mark, place=place))
    return rows


def content_of(document: Json, content: Json, *, is_response: bool = False) -> Content | None:
    """The content of a body; None where there is no body."""
    if not content:
        return None
    media_type, first = next(iter(content.items()))
    is_page = media_type == "text/html"
    schema = first["schema"]
    rows = [] if is_page else _rows(document, schema, depth=0, is_response=is_response)
    return Content(
        media_types=list(content),
        description=_description(document, schema),
        rows=list(rows),
        is_page=is_page,
    )


def words_of(identifier: str) -> str:
    """`updateProgram` is Update program."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", identifier)
    return words[0].upper() + words[1:].lower()


def resolved(document: Json, schema: Json) -> Json:
    """The schema that a reference leads to."""
    while "$ref" in schema:
        target: Any = document
        for step in str(schema["$ref"]).removeprefix("#/").split("/"):
            target = target[step]
        schema = target
    return schema


def _rows(document: Json, schema: Json, *, depth: int, is_response: bool) -> Iterator[Row]:
    """The fields of an object, with their own fields inside; alternatives stand under their names."""
    schema = resolved(document, schema)
    branches = [one for name in ("oneOf", "anyOf") for one in schema.get(name, ()) if "$ref" in one]
    for branch in branches:
        if len(branches) > 1:
            yield Row(name=_type(document, branch), is_heading=True)
        yield from _rows(document, branch, depth=depth, is_response=is_response)
    if "items" in schema:
        yield from _rows(document, schema["items"], depth=depth, is_response=is_response)
    for name, field in schema.get("properties", {}).items():
        required = name in schema.get("required", ())
        mark = ("" if required else "may be absent") if is_response else "required" * required
        inner = (
            list(_rows(document, field, depth=depth + 1, is_response=is_response))
            if depth < _DEPTH
            else []
        )
        yield _row(document, name, field, mark=mark, inner=inner)


def _row(
    document: Json,
    name: str,
    schema: Json,
    *,
    mark: str,
    place: str = "",
    inner: list[Row] | None = None,
) -> Row:
    notes = filter(None, (_type(document, schema) + place, *_bounds(schema)))
    return Row(
        name=name,
        mark=mark,
        notes=" · ".join(notes),
        description=_description(document, schema),
        inner=inner or [],
    )


def _description(document: Json, schema: Json) -> str:
    """What a value means: its own description, else that of the one object that it contains."""
    parts = [schema, schema.get("items", {}), *schema.get("anyOf", ()), *schema.get("oneOf", ())]
    objects = [resolved(document, one) for one in parts if "$ref" in one]
    described = schema if "description" in schema or len(objects) != 1 else objects[0]
    text: str = described.get("description", "")
    return text


def _type(document: Json, schema: Json) -> str:
    """The type of a value, in words."""
    if "$ref" in schema:
        return words_of(str(schema["$ref"]).rpartition("/")[2]).lower()
    for name in ("oneOf", "anyOf"):
        if name in schema:
            return " or ".join(dict.fromkeys(_type(document, one) for one in schema[name]))
    kind = schema.get("type", "any JSON")
    if schema.get("items"):
        return f"array of {_type(document, schema['items'])}"
    words = [kind] if isinstance(kind, str) else list(kind)
    return " or ".join("whole number" if word == "integer" else word for word in words)


def _bounds(schema: Json) -> Iterator[str]:
    """The bounds of a value, in words."""
    for branch in schema.get("anyOf", ()):
        if branch.get("type") == "number":
            yield from _range(branch)
    yield from _range(schema)
    if "const" in schema:
        yield json.dumps(schema["const"])
    if "enum" in schema:
        yield ", ".join(schema["enum"])
    if "format" in schema:
        yield str(schema["format"])
    if len(schema.get("pattern", "x" * 99)) <= _LONGEST_PATTERN:
        yield schema["pattern"]
    if "default" in schema:
        yield f"default {json.dumps(schema['default'])}"


def _range(schema: Json) -> Iterator[str]:
    """The range or number of a value."""
    if "exclusiveMinimum" in schema:
        yield f"over {schema['exclusiveMinimum']:,} to {schema['maximum']:,}"
    elif "maximum" in schema:
        yield f"{schema['minimum']:,} to {schema['maximum']:,}"
    if "multipleOf" in schema:
        yield "up to six decimals"
    if "maxLength" in schema:
        yield f"{schema.get('minLength', 0)} to {schema['maxLength']:,} characters"
    if "maxItems" in schema:
        yield f"{schema.get('minItems', 0)} to {schema['maxItems']} items"
