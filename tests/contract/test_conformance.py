"""Generated requests, alone and in sequence, against the running system: every response is as the
OpenAPI document says, and none is an internal error."""

import asyncio
import json
import secrets
import sys
from collections.abc import AsyncIterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from libs.contracts.operations import OWNERS
from libs.testing.eventually import eventually
from tests import forking
from tests.conftest import is_ready
from tests.support import Shop, Stack
from tools.docs import files
from tools.stack import config, services

# The services whose operations are generated for; a new one joins once it responds to all of them.
UNDER_TEST = frozenset((*OWNERS, "gateway"))

OPENAPI = json.loads((files.FOLDER / "openapi.json").read_text())
SEED = 20260310

# Two things that no schema can say: an id of the right form may be of nothing, and one faulty item
# of a batch is a verdict. That bounds are enforced as documented is what test_bounds shows.
NOT_CHECKED = "positive_data_acceptance,negative_data_rejection"


class Outcome(Struct, frozen=True):
    """How a run ended, how many requests it sent, and what schemathesis printed."""

    passed: bool
    cases: int
    output: str


@pytest.fixture
async def wide_gateway(stack: Stack) -> AsyncIterator[str]:
    """A second gateway to the same services that limits nobody."""
    port = config.free_port()
    settings = services.environment("gateway", stack.addresses, config.stack_secrets(stack.home))
    settings |= {
        f"WHALE_{name.upper()}_URL": f"http://{stack.process(name).address}"
        for name in config.SERVICES
        if name != "gateway"
    }
    settings |= {
        "WHALE_HTTP_PORT": str(port),
        "WHALE_METRICS_PORT": "0",
        "WHALE_RATE_LIMIT_PER_SECOND": "100000",
        "WHALE_RATE_LIMIT_BURST": "200000",
    }
    process = forking.start("services.gateway", environment=stack.environment | settings)
    try:
        await eventually(lambda: is_ready(port))
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()


def document(*, only: str | None = None) -> dict[str, Any]:
    """The document with the operations under test, or with `only` one of them."""
    whole = deepcopy(OPENAPI)
    for path in whole["paths"].values():
        for method in list(path):
            if method != "parameters" and not _is_tested(path[method], only=only):
                del path[method]
    whole["paths"] = {
        name: one for name, one in whole["paths"].items() if set(one) - {"parameters"}
    }
    return whole


def _is_tested(operation: dict[str, Any], *, only: str | None = None) -> bool:
    if only is not None:
        return bool(operation["operationId"] == only)
    return operation.get("x-owner") in UNDER_TEST


async def generate(
    folder: Path, gateway: str, key: str, openapi: dict[str, Any], *words: str
) -> Outcome:
    """Let schemathesis generate requests for the document and check the responses."""
    home = folder / secrets.token_hex(4)
    home.mkdir()
    (home / "openapi.json").write_text(json.dumps(openapi))
    (home / "schemathesis.toml").write_text(
        f'base-url = "{gateway}"\n[parameters]\nstore_id = "me"\n'
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "run", "openapi.json"),
        *("--header", f"Authorization: Bearer {key}"),
        *("--exclude-checks", NOT_CHECKED),
        *("--report", "json", "--report-json-path", "report.json"),
        *words,
        cwd=home,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    report = json.loads((home / "report.json").read_text())
    return Outcome(process.returncode == 0, _cases(report), output.decode(errors="replace"))


def _cases(report: dict[str, Any]) -> int:
    return int(report["test_cases"]["generated"])


@pytest.mark.timeout(400)
async def test_a_thousand_requests_get_documented_responses(
    shop: Shop, wide_gateway: str, tmp_path: Path
) -> None:
    await shop.program()
    words = ("--seed", str(SEED), "--max-examples", "5", "--no-shrink")
    outcome = await generate(tmp_path, wide_gateway, shop.key, document(), *words)
    assert outcome.passed, outcome.output
    assert outcome.cases >= 1_000, outcome.output


async def test_a_response_that_is_not_as_documented_is_found(
    shop: Shop, wide_gateway: str, tmp_path: Path
) -> None:
    """The negative control: a document without one of the fields, and one without a status."""
    await shop.program()
    words = ("--seed", str(SEED), "--max-examples", "5", "--no-shrink")
    true = document(only="getSummary")
    assert (await generate(tmp_path, wide_gateway, shop.key, true, *words)).passed
    fewer_fields = deepcopy(true)
    summary = fewer_fields["components"]["schemas"]["Summary"]
    del summary["properties"]["customers"]
    summary["required"].remove("customers")
    fewer_statuses = deepcopy(true)
    get = fewer_statuses["paths"]["/v1/stores/{store_id}/loyalty/summary"]["get"]
    del get["responses"]["400"]
    for false in (fewer_fields, fewer_statuses):
        outcome = await generate(tmp_path, wide_gateway, shop.key, false, *words)
        assert not outcome.passed, outcome.output


@pytest.mark.long
@pytest.mark.timeout(3_000)
async def test_twenty_thousand_requests_get_documented_responses(
    shop: Shop, wide_gateway: str, tmp_path: Path
) -> None:
    await shop.program()
    cases = 0
    while cases < 20_000:
        seed = secrets.randbelow(10**9)
        print(f"seed {seed}")
        words = ("--seed", str(seed), "--max-examples", "150", "--phases", "fuzzing,stateful")
        outcome = await generate(tmp_path, wide_gateway, shop.key, document(), *words)
        assert outcome.passed, outcome.output
        cases += outcome.cases
