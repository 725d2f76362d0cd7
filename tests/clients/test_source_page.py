"""The snippets of the source product's page, unchanged but for the key and the programme's id."""

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
    """The page's sections by title, where the page is beside the project."""
    if not PAGE.exists():
        pytest.skip(f"The source product's page is not here: ../shared/{PAGE.name}")
    return {section.title: section for section in sections(PAGE)}


@pytest.fixture
def project(js_package: Path, tmp_path: Path) -> Path:
    """An empty project that has the client."""
    modules = tmp_path / "node_modules"
    modules.mkdir()
    (modules / "whale-loyalty").symlink_to(js_package)
    return tmp_path


async def answers(project: Path, section: Section, shop: Shop, program_id: str) -> dict[str, Any]:
    """Run a section as one module, as a reader pastes it; answers what its variables hold."""
    source = IMPORT + "\n".join(section.snippets)
    source = source.replace("wk_live_...", shop.key).replace("loy_550e8400...", program_id)
    (project / "snippet.mjs").write_text(
        f"{source}\nconsole.log(JSON.stringify({{ {', '.join(section.answers)} }}));\n"
    )
    node = shutil.which("node")
    assert node is not None
    process = await asyncio.create_subprocess_exec(
        *(node, "snippet.mjs"),
        cwd=project,
        env={"WHALE_BASE_URL": shop.stack.gateway},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    found: dict[str, Any] = json.loads(out)
    return found


def assert_as_documented(found: dict[str, Any], section: Section) -> None:
    assert section.answers
    for name, documented in section.answers.items():
        assert differences(found[name], documented, name) == []


async def reward_all(shop: Shop) -> None:
    for reward in REWARDS:
        made = await shop.call("POST", "loyalty/rewards", reward)
        assert made.status == 201, made.raw


def test_the_page_has_the_sections_that_run_here(page: dict[str, Section]) -> None:
    assert list(page) == [
        "Create a Program",
        "Earn Points",
        "Redeem Rewards",
        "Customer Loyalty Status",
        "Anomaly Detection",
    ]
    assert sum(len(section.snippets) for section in page.values()) == 8


async def test_create_a_program(page: dict[str, Section], project: Path, shop: Shop) -> None:
    section = page["Create a Program"]
    mine = await shop.program()
    assert_as_documented(await answers(project, section, shop, mine["id"]), section)
    changed = await shop.call("GET", f"loyalty-programs/{mine['id']}")
    assert changed.json["points_per_dollar"] == 15


async def test_earn_points(page: dict[str, Section], project: Path, shop: Shop) -> None:
    section = page["Earn Points"]
    mine = await shop.program()
    found = await answers(project, section, shop, mine["id"])
    assert_as_documented(found, section)
    assert found["earning"]["points"] == 500
    assert (await shop.status("cust_abc123"))["points_balance"] == 700
    assert (await shop.status("cust_ghi789"))["points_balance"] == 200


async def test_redeem_rewards(page: dict[str, Section], project: Path, shop: Shop) -> None:
    section = page["Redeem Rewards"]
    mine = await shop.program()
    await reward_all(shop)
    await shop.earn("cust_abc123", 3_500)
    found = await answers(project, section, shop, mine["id"])
    assert_as_documented(found, section)
    documented = section.answers["rewards"]["data"]
    for shown, printed in zip(found["rewards"]["data"], documented, strict=True):
        assert {name: shown[name] for name in printed} == printed
    assert found["rewards"]["total"] == 4
    assert (found["redemption"]["points"], found["redemption"]["balance_after"]) == (-500, 3_000)


async def test_customer_loyalty_status(page: dict[str, Section], project: Path, shop: Shop) -> None:
    section = page["Customer Loyalty Status"]
    mine = await shop.program()
    await shop.earn("cust_abc123", 11_000)
    await shop.publish(shop.order("o1", customer_id="cust_abc123", order_number="1042"))
    await shop.balance_becomes(11_750, "cust_abc123")
    found = await answers(project, section, shop, mine["id"])
    assert_as_documented(found, section)
    assert found["status"]["tier"] == {
        "name": "Silver",
        "multiplier": 1.5,
        "next_tier": {"name": "Gold", "points_needed": 3_250},
    }


async def test_anomaly_detection(page: dict[str, Section], project: Path, shop: Shop) -> None:
    section = page["Anomaly Detection"]
    mine = await shop.program()
    for _ in range(15):
        await shop.earn("cust_xyz789", 500)

    async def is_flagged() -> bool:
        answer = await shop.call("GET", "loyalty/anomalies")
        return answer.status == 200 and bool(answer.json["total"])

    await eventually(is_flagged)
    found = await answers(project, section, shop, mine["id"])
    assert_as_documented(found, section)
    assert found["anomalies"]["data"][0]["type"] == "rapid_earning"


@pytest.mark.parametrize(
    "shown",
    [
        pytest.param({"id": "x"}, id="a member lacks"),
        pytest.param({"items": [{"n": 1}], "id": "x"}, id="another order"),
        pytest.param({"id": 1, "items": [{"n": 1}]}, id="another type"),
        pytest.param({"id": "x", "items": []}, id="an empty list"),
        pytest.param({"id": "x", "items": [{"n": 1}, {"n": None}]}, id="a later item"),
    ],
)
def test_the_comparison_sees_what_is_not_as_documented(shown: dict[str, Any]) -> None:
    documented = {"id": "y", "items": [{"n": 2.0}]}
    assert differences({"id": "x", "items": [{"n": 1, "m": 2}], "more": 1}, documented) == []
    assert differences(shown, documented) != []
