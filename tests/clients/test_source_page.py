"""The snippets of the source product's page, run with only the key and the program's id replaced."""

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from libs.testing.eventually import eventually
from tests.clients.source_page import PAGE, Section, differences, sections
from tests.support import Shop

IMPORT = 'import { WhaleClient } from "whale-loyalty";\n'
REWARDS = [
    {"id": "rwd_001", "name": "10% Off Next Order", "points_cost": 1000, "type": "discount"},
    {"id": "rwd_002", "name": "Free Shipping", "points_cost": 500, "type": "shipping"},
    {"id": "rwd_003", "name": "$25 Store Credit", "points_cost": 2500, "type": "credit"},
    {"id": "rwd_004", "name": "Exclusive Early Access", "points_cost": 5000, "type": "perk"},
]


@pytest.fixture(scope="session")
def page() -> dict[str, Section]:
    """The page's sections by title; skips if the page is not available."""
    if not PAGE.exists():
        pytest.skip(f"The source product's page is not available: {PAGE.name}")
    return {section.title: section for section in sections(PAGE)}


async def run_section(
    js_project: Path, section: Section, shop: Shop, program_id: str
) -> dict[str, Any]:
    """Run a section as one module, as a reader pastes it; returns the values of its variables."""
    source = IMPORT + "\n".join(section.snippets)
    source = source.replace("wk_live_...", shop.key).replace("loy_550e8400...", program_id)
    (js_project / "snippet.mjs").write_text(
        f"{source}\nconsole.log(JSON.stringify({{ {', '.join(section.responses)} }}));\n"
    )
    node = shutil.which("node")
    assert node is not None
    process = await asyncio.create_subprocess_exec(
        *(node, "snippet.mjs"),
        cwd=js_project,
        env={"WHALE_BASE_URL": shop.stack.gateway},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    values: dict[str, Any] = json.loads(out)
    return values


def assert_as_documented(values: dict[str, Any], section: Section) -> None:
    assert section.responses
    for name, documented in section.responses.items():
        assert differences(values[name], documented, name) == []


async def create_rewards(shop: Shop) -> None:
    for reward in REWARDS:
        response = await shop.call("POST", "loyalty/rewards", reward)
        assert response.status == 201, response.raw


def test_the_page_has_the_sections_that_run_here(page: dict[str, Section]) -> None:
    assert list(page) == [
        "Create a Program",
        "Earn Points",
        "Redeem Rewards",
        "Customer Loyalty Status",
        "Anomaly Detection",
    ]
    assert sum(len(section.snippets) for section in page.values()) == 8


async def test_create_a_program(page: dict[str, Section], js_project: Path, shop: Shop) -> None:
    section = page["Create a Program"]
    program = await shop.program()
    assert_as_documented(await run_section(js_project, section, shop, program["id"]), section)
    updated = await shop.call("GET", f"loyalty-programs/{program['id']}")
    assert updated.json["points_per_dollar"] == 15


async def test_earn_points(page: dict[str, Section], js_project: Path, shop: Shop) -> None:
    section = page["Earn Points"]
    program = await shop.program()
    values = await run_section(js_project, section, shop, program["id"])
    assert_as_documented(values, section)
    assert values["earning"]["points"] == 500
    assert (await shop.status("cust_abc123"))["points_balance"] == 700
    assert (await shop.status("cust_ghi789"))["points_balance"] == 200


async def test_redeem_rewards(page: dict[str, Section], js_project: Path, shop: Shop) -> None:
    section = page["Redeem Rewards"]
    program = await shop.program()
    await create_rewards(shop)
    await shop.earn("cust_abc123", 3_500)
    values = await run_section(js_project, section, shop, program["id"])
    assert_as_documented(values, section)
    documented = section.responses["rewards"]["data"]
    for reward, printed in zip(values["rewards"]["data"], documented, strict=True):
        assert {name: reward[name] for name in printed} == printed
    assert values["rewards"]["total"] == 4
    assert (values["redemption"]["points"], values["redemption"]["balance_after"]) == (-500, 3_000)


async def test_customer_loyalty_status(
    page: dict[str, Section], js_project: Path, shop: Shop
) -> None:
    section = page["Customer Loyalty Status"]
    program = await shop.program()
    await shop.earn("cust_abc123", 11_000)
    await shop.publish(shop.order("o1", customer_id="cust_abc123", order_number="1042"))
    await shop.balance_becomes(11_750, "cust_abc123")
    values = await run_section(js_project, section, shop, program["id"])
    assert_as_documented(values, section)
    assert values["status"]["tier"] == {
        "name": "Silver",
        "multiplier": 1.5,
        "next_tier": {"name": "Gold", "points_needed": 3_250},
    }


async def test_anomaly_detection(page: dict[str, Section], js_project: Path, shop: Shop) -> None:
    section = page["Anomaly Detection"]
    program = await shop.program()
    for _ in range(15):
        await shop.earn("cust_xyz789", 500)

    async def is_flagged() -> bool:
        response = await shop.call("GET", "loyalty/anomalies")
        return response.status == 200 and bool(response.json["total"])

    await eventually(is_flagged)
    values = await run_section(js_project, section, shop, program["id"])
    assert_as_documented(values, section)
    assert values["anomalies"]["data"][0]["type"] == "rapid_earning"


@pytest.mark.parametrize(
    "value",
    [
        pytest.param({"id": "x"}, id="a missing member"),
        pytest.param({"items": [{"n": 1}], "id": "x"}, id="another order"),
        pytest.param({"id": 1, "items": [{"n": 1}]}, id="another type"),
        pytest.param({"id": "x", "items": []}, id="an empty list"),
        pytest.param({"id": "x", "items": [{"n": 1}, {"n": None}]}, id="a later item"),
    ],
)
def test_the_comparison_detects_differences(value: dict[str, Any]) -> None:
    documented = {"id": "y", "items": [{"n": 2.0}]}
    assert differences({"id": "x", "items": [{"n": 1, "m": 2}], "more": 1}, documented) == []
    assert differences(value, documented) != []
