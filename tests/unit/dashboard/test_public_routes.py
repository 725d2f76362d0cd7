"""The dashboard uses public routes only: all that its code can call stand in OpenAPI."""

import ast
import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from whale_loyalty import AsyncWhaleClient
from whale_loyalty._method import AsyncResource
from whale_loyalty._operation import Listing, Operation

ROOT = Path(__file__).parents[3]
# By what the code names a client: `client`, `visit.client`, `visit.writing`.
CLIENT = re.compile(r"(?:^|\.)(?:client|writing)\.(.+)")


def chain_of(node: ast.AST, aliases: dict[str, str]) -> str | None:
    """`client.loyalty.orders.list` of an expression, with local names replaced by what they stand for."""
    if isinstance(node, ast.Name):
        return aliases.get(node.id, node.id)
    if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("clients.of"):
        return "client"
    if isinstance(node, ast.Attribute):
        before = chain_of(node.value, aliases)
        return before and f"{before}.{node.attr}"
    return None


def assignments_in(function: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    for node in ast.walk(function):
        if not isinstance(node, ast.Assign):
            continue
        for target in node.targets:
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                yield from zip(target.elts, node.value.elts, strict=True)
            else:
                yield target, node.value


def chains_in(source: str) -> Iterator[str]:
    """Everything that the code names of a client."""
    for function in ast.walk(ast.parse(source)):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        aliases: dict[str, str] = {}
        for target, value in assignments_in(function):
            chain = chain_of(value, aliases)
            if isinstance(target, ast.Name) and chain and CLIENT.search(f"{chain}.x"):
                aliases[target.id] = chain
        for node in ast.walk(function):
            match = CLIENT.search(chain_of(node, aliases) or "")
            if match:
                yield match[1]


def operation_of(client: AsyncWhaleClient, chain: str) -> Operation[Any] | None:
    """The operation of a method of the client, None for a branch of it. Raises AttributeError for a name
    that the client does not have."""
    *branches, name = chain.split(".")
    resource: Any = client
    for branch in branches:
        resource = getattr(resource, branch)
    if isinstance(getattr(resource, name), AsyncResource) or resource is client:
        return None
    build = inspect.getattr_static(type(resource), name)._build
    required = [
        parameter.name
        for parameter in inspect.signature(build).parameters.values()
        if parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD
    ]
    request = build(**dict.fromkeys(required, "x"))
    return request.first if isinstance(request, Listing) else request


def routes_in(source: str) -> set[tuple[str, str]]:
    """The method and path of each request that the code can send."""
    client = AsyncWhaleClient("wk_test_of_nobody")
    operations = [operation_of(client, chain) for chain in chains_in(source)]
    return {(one.method, f"/v1/stores/me/{one.path}") for one in operations if one is not None}


def public_routes() -> list[tuple[str, re.Pattern[str]]]:
    document = json.loads((ROOT / "docs" / "generated" / "openapi.json").read_text())
    return [
        (method.upper(), re.compile(re.sub(r"\{\w+\}", "[^/]+", path)))
        for path, methods in document["paths"].items()
        for method in methods
    ]


def test_every_route_that_the_dashboard_calls_is_public() -> None:
    sources = sorted((ROOT / "services" / "dashboard").rglob("*.py"))
    called = set().union(*(routes_in(path.read_text()) for path in sources))
    print(*(" ".join(route) for route in sorted(called)), sep="\n")
    public = public_routes()
    assert {
        (method, path)
        for method, path in called
        if not any(method == other and pattern.fullmatch(path) for other, pattern in public)
    } == set()
    # Those of the sign-in, the overview and of operations are found whatever else changes.
    assert ("GET", "/v1/stores/me/key") in called
    assert ("GET", "/v1/stores/me/loyalty/summary") in called
    assert ("POST", "/v1/stores/me/loyalty/dead-letters/replay") in called


def test_a_route_is_found_by_whatever_name_the_code_has_for_it() -> None:
    source = """
async def load(visit, client):
    loyalty, other = client.loyalty, 1
    letters = loyalty.dead_letters
    drop = visit.writing.loyalty.dead_letters.drop
    await letters.list(limit=1)
"""
    assert routes_in(source) == {
        ("GET", "/v1/stores/me/loyalty/dead-letters"),
        ("DELETE", "/v1/stores/me/loyalty/dead-letters/x"),
    }


def test_the_dashboard_has_no_other_way_to_a_service() -> None:
    """No other HTTP client, so that the list above is all."""
    modules = {
        name
        for path in (ROOT / "services" / "dashboard").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        for name in (
            [one.name for one in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    others = ("aiohttp", "httpx", "httpcore", "requests", "urllib.request", "libs.http_client")
    assert {name for name in modules if name.startswith(others)} == set()
