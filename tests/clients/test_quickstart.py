"""The programs of docs/quickstart.md and the first ones of the clients' READMEs, run with only the addresses,
the store and the key replaced."""

import asyncio
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer

from libs.contracts.topics import POINTS_EARNED
from libs.testing.eventually import eventually
from tests.support import ROOT, Shop

PAGE = ROOT / "docs/quickstart.md"
# A program's name, followed by its source.
_PROGRAM = re.compile(r"^`shop/([\w.]+)`:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# The program that a client's README begins with.
_FIRST_PROGRAM = re.compile(r"^```(?:js|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_READMES = {"first.py": "libs/whale-python/README.md", "first.mjs": "libs/whale-js/README.md"}
_DEMO_KEY = "wk_test_demo_key_for_local_use_only"
_PYTHON_CLIENT = ROOT / "libs/whale-python/src"


def source_of(name: str) -> str:
    """A program as it is printed."""
    if name in _READMES:
        return _FIRST_PROGRAM.findall((ROOT / _READMES[name]).read_text(encoding="utf-8"))[0]
    return dict(_PROGRAM.findall(PAGE.read_text(encoding="utf-8")))[name]


async def start(name: str, shop: Shop, project: Path) -> asyncio.subprocess.Process:
    """Start one of the programs."""
    source = source_of(name).replace(_DEMO_KEY, shop.key).replace("store_mine", shop.store_id)
    source = source.replace("127.0.0.1:19092", shop.stack.kafka)
    (project / name).write_text(source, encoding="utf-8")
    node = str(shutil.which("node"))
    return await asyncio.create_subprocess_exec(
        *(node if name.endswith(".mjs") else sys.executable, name),
        cwd=project,
        env={
            "WHALE_API_KEY": shop.key,
            "WHALE_BASE_URL": shop.stack.gateway,
            "PYTHONPATH": str(_PYTHON_CLIENT),
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def run(name: str, shop: Shop, project: Path) -> str:
    """Run one of the programs; returns what it printed."""
    process = await start(name, shop, project)
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


@pytest.fixture
async def demo_shop(shop: Shop) -> Shop:
    """A store with the program and the reward that the page's curl commands create."""
    bodies = re.findall(r"-d '(\{.*?\})'", PAGE.read_text(encoding="utf-8"))
    for path, body in zip(("loyalty-programs", "loyalty/rewards"), bodies[:2], strict=True):
        response = await shop.call("POST", path, body.encode())
        assert response.status == 201, response.raw
    return shop


def test_the_printed_programs_and_what_they_install_are_in_the_ignored_folder() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert "/shop/" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    commands = "\n".join(re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
    assert set(re.findall(r"-m venv (\S+)", commands)) == {"shop/.venv"}
    assert commands.count("npm install") == commands.count("npm install --prefix shop ") == 1
    programs = re.findall(r"^`(\S+\.m?(?:py|js))`:$", text, re.MULTILINE)
    assert len(programs) == 5
    assert all(f" {program}" in commands and program.startswith("shop/") for program in programs)


async def test_python(demo_shop: Shop, tmp_path: Path) -> None:
    await run("shop.py", demo_shop, tmp_path)

    async def is_redeemed() -> str:
        # The order earns a moment after it was accepted: the page says to run the program again.
        printed = await run("shop.py", demo_shop, tmp_path)
        assert "Redeemed, the code is" in printed, printed
        return printed

    printed = await eventually(is_redeemed)
    assert (await demo_shop.status())["points_balance"] == 100
    assert printed.splitlines()[1:] == [
        "-500 Free Shipping",
        "500 Order #1042",
        "100 Welcome",
    ]


async def test_javascript(demo_shop: Shop, js_project: Path) -> None:
    async def lists_the_reward() -> None:
        # A new reward is listed for customers a moment after it was created.
        printed = (await run("shop.mjs", demo_shop, js_project)).splitlines()
        assert printed[0] == "Free Shipping true 0"
        assert printed[-1] == "500 Birthday bonus"

    await eventually(lists_the_reward)
    await demo_shop.balance_becomes(1_000, "cust_2")


async def test_a_year_of_points_that_wait_and_expire(shop: Shop, tmp_path: Path) -> None:
    for _ in range(2):
        waiting, available, *entries = (await run("year.py", shop, tmp_path)).splitlines()
        assert waiting.startswith("500 points wait until ")
        assert available.startswith("500 points can be spent until ")
        assert [entry.split()[:3] for entry in entries[:3]] == [
            ["expire", "-500", "None"],
            ["earn", "500", "-500"],
            ["pend", "0", "500"],
        ]


@pytest.mark.parametrize("name", _READMES)
async def test_the_first_program_of_a_readme(name: str, demo_shop: Shop, js_project: Path) -> None:
    assert await run(name, demo_shop, js_project) == "500\n"


async def test_kafka(demo_shop: Shop, tmp_path: Path) -> None:
    assert "The order is on Kafka, at offset" in await run("publish.py", demo_shop, tmp_path)
    status: Any = await demo_shop.balance_becomes(500, "cust_3")
    assert [transaction["reason"] for transaction in status["transactions"]] == ["Order #1046"]


async def skip_earlier_awards(shop: Shop) -> None:
    """Commit the end of the topic for the listener's group: other tests left records there that no
    client can read."""
    async with AIOKafkaConsumer(POINTS_EARNED, bootstrap_servers=shop.stack.kafka) as consumer:
        ends = await consumer.end_offsets(consumer.assignment())
    async with AIOKafkaConsumer(
        bootstrap_servers=shop.stack.kafka,
        group_id=f"{shop.store_id}-emails",
        enable_auto_commit=False,
    ) as member:
        member.assign(list(ends))
        await member.commit(ends)


async def test_a_consumer_of_awards(demo_shop: Shop, tmp_path: Path) -> None:
    await skip_earlier_awards(demo_shop)
    await demo_shop.earn("cust_5", 300)
    process = await start("listen.py", demo_shop, tmp_path)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            first = await process.stdout.readline()
            await demo_shop.publish(demo_shop.order("1047", customer_id="cust_5"))
            second = await process.stdout.readline()
    finally:
        process.terminate()
        await process.communicate()
    assert first.decode() == "cust_5 earned 300 points for Birthday bonus\n"
    assert second.decode() == "cust_5 earned 500 points for Order 1047\n"
