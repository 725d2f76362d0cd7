"""`docs`: write the generated reference; with --record, record its examples from the running stack."""

import argparse
import asyncio
import secrets
from typing import Any

import aiohttp
import msgspec

from tools.docs import files, scenario
from tools.stack import config, record, seed


def register(commands: Any) -> None:
    """Add the command."""
    command = commands.add_parser("docs", help="write the generated reference in docs/generated")
    command.add_argument(
        "--record", action="store_true", help="record the examples from the running stack first"
    )
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the stale files and print their names."""
    if arguments.record:
        files.write(files.EXAMPLES, files.pretty(asyncio.run(_record())))
    stale = [path for path, content in files.generated().items() if files.write(path, content)]
    for path in stale:
        print(f"wrote {path.relative_to(config.ROOT)}")
    if not stale:
        print("All files are up to date.")
    return 0


async def _record() -> Any:
    stack = record.find_running()
    store = f"store_{secrets.token_hex(4)}"

    async def create_key(scopes: str) -> str:
        command = ("create", "--store", store, "--scopes", scopes)
        output = await seed.run_key_command(stack.addresses, stack.secrets, *command)
        return output.splitlines()[-1]

    keys = scenario.Keys(
        full=await create_key(scenario.SCOPES),
        read_only=await create_key("read"),
        rate_limited=await create_key("read"),
    )
    async with aiohttp.ClientSession() as session:
        recorder = scenario.Recorder(session, stack.addresses.urls["gateway"], keys)
        return msgspec.to_builtins(await scenario.run(recorder))
