"""The page at /docs: the OpenAPI document for people, made of nothing but itself.

It is put together once, when the gateway starts, and asks no other host for anything.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any, Final

Json = Mapping[str, Any]

_STYLE: Final = Path(__file__).with_name("docs.css")
_METHODS: Final = ("get", "post", "put", "patch", "delete")
# Fields of fields are shown up to here; deeper ones are a click away in the document itself.
_DEPTH: Final = 3
# A pattern longer than this explains nothing to a person.
_LONGEST_PATTERN: Final = 40

_BEFORE: Final = """\
export WHALE=<span id="address">http://127.0.0.1:8080</span>
export WHALE_API_KEY=wk_test_demo_key_for_local_use_only"""
# The address by which the reader came here: a proxy or another port is not known when it is made.
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
        f"<title>{title} API</title><style>{_STYLE.read_text()}</style></head><body>"
        f"{_navigation(groups)}<main><h1>{title} API</h1>"
        f'<div class="about">{_prose(document["info"]["description"])}'
        '<p>The same for machines: <a href="/openapi.json">/openapi.json</a>.</p>'
        f"{_figure('For the examples below', _BEFORE)}{_ADDRESS}</div>"
        f"{body}</main></body></html>"
    )


Operation = tuple[str, str, Json]
Groups = list[tuple[Json, list[Operation]]]


def _groups(document: Json) -> Groups:
    """The operations (method, path, what it is) of each tag, in the document's order."""
    found: dict[str, list[Operation]] = {}
    for path, item in document["paths"].items():
        shared = item.get("parameters", [])
        for method in _METHODS:
            if method in item:
                operation = {**item[method]}
                operation["parameters"] = [*shared, *operation.get("parameters", [])]
                found.setdefault(operation["tags"][0], []).append((method, path, operation))
    return [(tag, found[tag["name"]]) for tag in document["tags"] if tag["name"] in found]


def _navigation(groups: Groups) -> str:
    parts = []
    for tag, operations in groups:
        links = "".join(
            f'<li><a href="#{escape(one["operationId"])}">{_method(method)}'
            f"<span>{escape(_name(one['operationId']))}</span></a></li>"
            for method, _, one in operations
        )
        parts.append(f'<div class="tag">{escape(tag["name"])}</div><ul>{links}</ul>')
    # Open where there is room for it; on a phone it would push the page away.
    return (
        f'<nav aria-label="Operations"><details id="contents"><summary>Operations</summary><div>'
        f"{''.join(parts)}</div></details></nav>"
        "<script>if (matchMedia('(min-width: 60rem)').matches)"
        " document.getElementById('contents').open = true</script>"
    )


def _group(document: Json, tag: Json, operations: Iterable[Operation]) -> str:
    shown = "".join(_article(document, *operation) for operation in operations)
    return f"<h2>{escape(tag['name'])}</h2><p>{escape(tag['description'])}</p>{shown}"


def _article(document: Json, method: str, path: str, operation: Json) -> str:
    body = operation.get("requestBody")
    success, answer = next(
        (status, one) for status, one in operation["responses"].items() if status < "300"
    )
    scope = (
        f'<span class="scope">scope {operation["x-scope"]}</span>' if "x-scope" in operation else ""
    )
    told = (
        f"<h3>{escape(_name(operation['operationId']))}</h3>"
        f'<div>{_method(method)} <code class="path">{escape(path)}</code> {scope}</div>'
        f"<p>{escape(operation['summary'])}</p>"
        + _section("Parameters", _parameters(document, operation["parameters"]))
        + (_section("Body", _content(document, body["content"])) if body else "")
        + _folded(success, _content(document, answer.get("content", {}), answered=True))
        + _errors(document, operation["responses"])
    )
    examples = _curl(method, path, operation) + _example(f"{success}", answer)
    return (
        f'<article id="{escape(operation["operationId"])}"><div>{told}</div>'
        f'<div class="shown">{examples}</div></article>'
    )


def _section(title: str, content: str) -> str:
    return f"<h4>{title}</h4>{content}" if content else ""


def _folded(status: str, content: str) -> str:
    """The fields of an answer, which its example mostly tells, a click away."""
    if not content:
        return f"<h4>Answer {status}, without a body</h4>" if status == "204" else ""
    return f"<details><summary>Answer {status}: its fields</summary>{content}</details>"


# -- fields


def _parameters(document: Json, parameters: Iterable[Json]) -> str:
    shown = []
    for one in parameters:
        parameter = _resolved(document, one)
        if parameter["name"] == "store_id":
            continue
        place = "" if parameter["in"] == "query" else f" in the {parameter['in']}"
        schema = {**parameter["schema"], "description": parameter["description"]}
        mark = "required" if parameter.get("required") else ""
        shown.append(_field(document, parameter["name"], schema, mark=mark, place=place))
    return "".join(shown)


def _content(document: Json, content: Json, *, answered: bool = False) -> str:
    """The fields of a body; where media types differ, those of the first and the others' names."""
    if not content:
        return ""
    media_type, first = next(iter(content.items()))
    if media_type == "text/html":
        return "<p>A page for people.</p>"
    kinds = "".join(f"<p><code>{escape(kind)}</code></p>" for kind in content)
    fields = "".join(_rows(document, first["schema"], depth=0, answered=answered))
    return (kinds if len(content) > 1 else "") + fields


def _rows(document: Json, schema: Json, *, depth: int, answered: bool) -> Iterator[str]:
    """The fields of an object, and theirs inside them; of alternatives, each under its name."""
    schema = _resolved(document, schema)
    branches = [one for name in ("oneOf", "anyOf") for one in schema.get(name, ()) if "$ref" in one]
    for branch in branches:
        if len(branches) > 1:
            yield f"<h4>{escape(_type(document, branch))}</h4>"
        yield from _rows(document, branch, depth=depth, answered=answered)
    if "items" in schema:
        yield from _rows(document, schema["items"], depth=depth, answered=answered)
    for name, field in schema.get("properties", {}).items():
        required = name in schema.get("required", ())
        mark = ("" if required else "may be absent") if answered else "required" * required
        yield _field(document, name, field, mark=mark)
        inner = "".join(_rows(document, field, depth=depth + 1, answered=answered))
        if inner and depth < _DEPTH:
            yield f'<div class="inner">{inner}</div>'


def _field(document: Json, name: str, schema: Json, *, mark: str, place: str = "") -> str:
    told = schema.get("description", "")
    notes = " · ".join(filter(None, (_type(document, schema) + place, *_bounds(schema))))
    return (
        f'<div class="field"><code class="name">{escape(name)}</code> '
        + (f'<span class="must">{mark}</span> ' if mark else "")
        + f'<span class="type">{escape(notes)}</span>'
        + (f"<p>{inline(told)}</p>" if told else "")
        + "</div>"
    )


def _type(document: Json, schema: Json) -> str:
    """The kind of a value, in words."""
    if "$ref" in schema:
        return _name(str(schema["$ref"]).rpartition("/")[2]).lower()
    for name in ("oneOf", "anyOf"):
        if name in schema:
            return " or ".join(dict.fromkeys(_type(document, one) for one in schema[name]))
    kind = schema.get("type", "any JSON")
    if schema.get("items"):
        return f"list of {_type(document, schema['items'])}"
    words = [kind] if isinstance(kind, str) else list(kind)
    return " or ".join({"string": "text", "integer": "whole number"}.get(one, one) for one in words)


def _bounds(schema: Json) -> Iterator[str]:
    """What bounds a value, in words."""
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
        yield f"as shipped {json.dumps(schema['default'])}"


def _range(schema: Json) -> Iterator[str]:
    """How much or how many it may be."""
    if "exclusiveMinimum" in schema:
        yield f"over {schema['exclusiveMinimum']:,} to {schema['maximum']:,}"
    elif "maximum" in schema:
        yield f"{schema['minimum']:,} to {schema['maximum']:,}"
    if "multipleOf" in schema:
        yield "up to six decimals"
    if "maxLength" in schema:
        yield f"{schema.get('minLength', 0)} to {schema['maxLength']:,} characters"
    if "maxItems" in schema:
        yield f"{schema.get('minItems', 0)} to {schema['maxItems']} of them"


def _resolved(document: Json, schema: Json) -> Json:
    """What a reference points at."""
    while "$ref" in schema:
        found: Any = document
        for step in str(schema["$ref"]).removeprefix("#/").split("/"):
            found = found[step]
        schema = found
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
    """The call as one would type it, with the recorded body."""
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


def _example(status: str, answer: Json) -> str:
    for content in answer.get("content", {}).values():
        if "example" in content:
            text = json.dumps(content["example"], indent=2, ensure_ascii=False)
            return _figure(f"Answer {status}", _highlighted(text))
    return ""


def _figure(caption: str, content: str) -> str:
    return (
        f"<figure><figcaption>{caption}</figcaption>"
        f'<pre tabindex="0"><code>{content}</code></pre></figure>'
    )


def _highlighted(text: str) -> str:
    """JSON with its keys, texts and other values told apart."""

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
    shown = re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))
    shown = re.sub(r"\[([^\]]+)\]\((/[^)\s]*)\)", r'<a href="\2">\1</a>', shown)
    return re.sub(r"\*\*([^*]+)\*\*", r"<b>\1</b>", shown)
