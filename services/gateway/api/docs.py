"""The page at /docs: the OpenAPI document as HTML for people.

It is rendered once, when the gateway starts, and loads nothing from any host.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any, Final

Json = Mapping[str, Any]

STYLE: Final = Path(__file__).with_name("pages.css").read_text()
_METHODS: Final = ("get", "post", "put", "patch", "delete")
# Fields of fields are shown up to this depth; the document itself has all of them.
_DEPTH: Final = 3
# A longer pattern does not help a person.
_LONGEST_PATTERN: Final = 40

_SETUP: Final = """\
export WHALE=<span id="address">http://127.0.0.1:8080</span>
export WHALE_API_KEY=wk_test_demo_key_for_local_use_only"""
# The address in the reader's browser: the page is rendered before a proxy or port is known.
_ADDRESS: Final = (
    "<script>document.getElementById('address').textContent = location.origin</script>"
)

_TOKEN: Final = re.compile(
    r'(?P<key>"(?:[^"\\]|\\.)*")(?=\s*:)|(?P<text>"(?:[^"\\]|\\.)*")|(?P<other>-?\d[\d.eE+-]*|true|false|null)'
)


def render(document: Json) -> str:
    """The document as a page of HTML."""
    groups = _groups(document)
    body = "".join(_group(document, tag, operations) for tag, operations in groups)
    title = escape(document["info"]["title"])
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title} API</title><style>{STYLE}</style></head><body>"
        f"{_navigation(groups)}<main><h1>{title} API</h1>"
        f'<div class="about">{_prose(document["info"]["description"])}'
        '<p>The same as an OpenAPI document: <a href="/openapi.json">/openapi.json</a>. '
        'All <a href="/problems">error codes</a>.</p>'
        f"{_figure('For the examples below', _SETUP)}{_ADDRESS}</div>"
        f"{body}</main></body></html>"
    )


Operation = tuple[str, str, Json]
Groups = list[tuple[Json, list[Operation]]]


def _groups(document: Json) -> Groups:
    """The operations (method, path, definition) of each tag, in the order of the document."""
    by_tag: dict[str, list[Operation]] = {}
    for path, item in document["paths"].items():
        shared = item.get("parameters", [])
        for method in _METHODS:
            if method in item:
                operation = {**item[method]}
                operation["parameters"] = [*shared, *operation.get("parameters", [])]
                by_tag.setdefault(operation["tags"][0], []).append((method, path, operation))
    return [(tag, by_tag[tag["name"]]) for tag in document["tags"] if tag["name"] in by_tag]


def _navigation(groups: Groups) -> str:
    parts = []
    for tag, operations in groups:
        links = "".join(
            f'<li><a href="#{escape(operation["operationId"])}">{_method(method)}'
            f"<span>{escape(_name(operation['operationId']))}</span></a></li>"
            for method, _, operation in operations
        )
        parts.append(f'<div class="tag">{escape(tag["name"])}</div><ul>{links}</ul>')
    # Open on a wide screen; on a phone it would push the content down.
    return (
        f'<nav aria-label="Operations"><details id="contents"><summary>Operations</summary><div>'
        f"{''.join(parts)}</div></details></nav>"
        "<script>if (matchMedia('(min-width: 60rem)').matches)"
        " document.getElementById('contents').open = true</script>"
    )


def _group(document: Json, tag: Json, operations: Iterable[Operation]) -> str:
    rendered = "".join(_article(document, *operation) for operation in operations)
    return f"<h2>{escape(tag['name'])}</h2><p>{escape(tag['description'])}</p>{rendered}"


def _article(document: Json, method: str, path: str, operation: Json) -> str:
    body = operation.get("requestBody")
    success, response = next(
        (status, response) for status, response in operation["responses"].items() if status < "300"
    )
    scope = (
        f'<span class="scope">scope {operation["x-scope"]}</span>' if "x-scope" in operation else ""
    )
    description = (
        f"<h3>{escape(_name(operation['operationId']))}</h3>"
        f'<div>{_method(method)} <code class="path">{escape(path)}</code> {scope}</div>'
        f"<p>{escape(operation['summary'])}</p>"
        + _section("Parameters", _parameters(document, operation["parameters"]))
        + (_section("Body", _content(document, body["content"])) if body else "")
        + _folded(success, _content(document, response.get("content", {}), is_response=True))
        + _errors(document, operation["responses"])
    )
    examples = _curl(method, path, operation) + _example(f"{success}", response)
    return (
        f'<article id="{escape(operation["operationId"])}"><div>{description}</div>'
        f'<div class="shown">{examples}</div></article>'
    )


def _section(title: str, content: str) -> str:
    return f"<h4>{title}</h4>{content}" if content else ""


def _folded(status: str, content: str) -> str:
    """The fields of a response, folded, since the example shows most of them."""
    if not content:
        return f"<h4>Response {status}, without a body</h4>" if status == "204" else ""
    return f"<details><summary>Response {status}: fields</summary>{content}</details>"


# -- fields


def _parameters(document: Json, parameters: Iterable[Json]) -> str:
    rendered = []
    for one in parameters:
        parameter = _resolved(document, one)
        if parameter["name"] == "store_id":
            continue
        place = "" if parameter["in"] == "query" else f" in the {parameter['in']}"
        schema = {**parameter["schema"], "description": parameter["description"]}
        mark = "required" if parameter.get("required") else ""
        rendered.append(_field(document, parameter["name"], schema, mark=mark, place=place))
    return "".join(rendered)


def _content(document: Json, content: Json, *, is_response: bool = False) -> str:
    """The fields of a body: those of its first media type, and the names of all media types."""
    if not content:
        return ""
    media_type, first = next(iter(content.items()))
    if media_type == "text/html":
        return "<p>A page for people.</p>"
    kinds = "".join(f"<p><code>{escape(kind)}</code></p>" for kind in content)
    fields = "".join(_rows(document, first["schema"], depth=0, is_response=is_response))
    return (kinds if len(content) > 1 else "") + fields


def _rows(document: Json, schema: Json, *, depth: int, is_response: bool) -> Iterator[str]:
    """The fields of an object, with their own fields inside; alternatives stand under their names."""
    schema = _resolved(document, schema)
    branches = [one for name in ("oneOf", "anyOf") for one in schema.get(name, ()) if "$ref" in one]
    for branch in branches:
        if len(branches) > 1:
            yield f"<h4>{escape(_type(document, branch))}</h4>"
        yield from _rows(document, branch, depth=depth, is_response=is_response)
    if "items" in schema:
        yield from _rows(document, schema["items"], depth=depth, is_response=is_response)
    for name, field in schema.get("properties", {}).items():
        required = name in schema.get("required", ())
        mark = ("" if required else "may be absent") if is_response else "required" * required
        yield _field(document, name, field, mark=mark)
        inner = "".join(_rows(document, field, depth=depth + 1, is_response=is_response))
        if inner and depth < _DEPTH:
            yield f'<div class="inner">{inner}</div>'


def _field(document: Json, name: str, schema: Json, *, mark: str, place: str = "") -> str:
    description = schema.get("description", "")
    notes = " · ".join(filter(None, (_type(document, schema) + place, *_bounds(schema))))
    return (
        f'<div class="field"><code class="name">{escape(name)}</code> '
        + (f'<span class="must">{mark}</span> ' if mark else "")
        + f'<span class="type">{escape(notes)}</span>'
        + (f"<p>{inline(description)}</p>" if description else "")
        + "</div>"
    )


def _type(document: Json, schema: Json) -> str:
    """The type of a value, in words."""
    if "$ref" in schema:
        return _name(str(schema["$ref"]).rpartition("/")[2]).lower()
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


def _resolved(document: Json, schema: Json) -> Json:
    """The schema that a reference leads to."""
    while "$ref" in schema:
        target: Any = document
        for step in str(schema["$ref"]).removeprefix("#/").split("/"):
            target = target[step]
        schema = target
    return schema


# -- errors and examples


def _errors(document: Json, responses: Json) -> str:
    rows = []
    for status, response in responses.items():
        if status < "400":
            continue
        content = _resolved(document, response)["content"].get("application/problem+json")
        if content is None:
            continue
        links = ", ".join(
            f'<a href="/problems/{code}">{code}</a>' for code in _codes(document, content["schema"])
        )
        rows.append(f"<li><b>{status}</b> {links}</li>")
    return _section("Errors", f'<ul class="errors">{"".join(rows)}</ul>') if rows else ""


def _codes(document: Json, schema: Json) -> list[str]:
    branches = schema.get("oneOf", [schema])
    return [_resolved(document, one)["properties"]["code"]["const"] for one in branches]


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
            text = json.dumps(content["example"], indent=2, ensure_ascii=False).replace(
                "'", "'\\''"
            )
            words += [f'-H "Content-Type: {media_type}"', f"-d '{text}'"]
    return _figure("Request", escape(" \\\n  ".join(words), quote=False))


def _example(status: str, response: Json) -> str:
    for content in response.get("content", {}).values():
        if "example" in content:
            text = json.dumps(content["example"], indent=2, ensure_ascii=False)
            return _figure(f"Response {status}", _highlighted(text))
    return ""


def _figure(caption: str, content: str) -> str:
    return (
        f"<figure><figcaption>{caption}</figcaption>"
        f'<pre tabindex="0"><code>{content}</code></pre></figure>'
    )


def _highlighted(text: str) -> str:
    """JSON as HTML, with its keys, texts and other values marked."""

    def mark(match: re.Match[str]) -> str:
        return f'<span class="{match.lastgroup}">{escape(match[0], quote=False)}</span>'

    return _TOKEN.sub(mark, text)


# -- words


def _method(method: str) -> str:
    return f'<span class="method {method.upper()}">{method.upper()}</span>'


def _name(identifier: str) -> str:
    """`updateProgram` is Update program."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", identifier)
    return words[0].upper() + words[1:].lower()


def _prose(text: str) -> str:
    return "".join(f"<p>{inline(paragraph)}</p>" for paragraph in text.strip().split("\n\n"))


def inline(text: str) -> str:
    """Text with `code`, **weight** and [links](/to/pages/here) in it, as HTML."""
    rendered = re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))
    rendered = re.sub(r"\[([^\]]+)\]\((/[^)\s]*)\)", r'<a href="\2">\1</a>', rendered)
    return re.sub(r"\*\*([^*]+)\*\*", r"<b>\1</b>", rendered)
