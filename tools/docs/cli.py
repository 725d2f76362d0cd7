"""`docs`: write the generated reference; with --record, take its examples from the stack that is up."""

import argparse
import asyncio
import secrets
from typing import Any, Final

import aiohttp
import msgspec

from tools.docs import files, story
from tools.stack import config, seed, services, state
from tools.stack.errors import StackError

_ALL: Final = "read,earn,redeem,manage"


def register(commands: Any) -> None:
    """Add the command."""
    command = commands.add_parser("docs", help="write the generated reference in docs/generated")
    command.add_argument(
        "--record", action="store_true", help="take the examples anew from the stack that is up"
    )
    command.set_defaults(run=run)


def run(asked: argparse.Namespace) -> int:
    """Write what is stale, and tell which files that were."""
    if asked.record:
        files.write(files.EXAMPLES, files.pretty(asyncio.run(_record())))
    stale = [path for path, content in files.generated().items() if files.write(path, content)]
    for path in stale:
        print(f"wrote {path.relative_to(config.ROOT)}")
    if not stale:
        print("Nothing was stale.")
    return 0


async def _record() -> Any:
    settings = config.settings()
    if not state.is_running(settings.folder):
        raise StackError("The stack is not up. Start it with `make up`.")
    kept = config.stack_secrets(settings.folder)
    where = services.addresses(settings, kept)
    store = f"store_{secrets.token_hex(4)}"

    async def key(scopes: str) -> str:
        said = await seed.run_key_command(
            where, kept, "create", "--store", store, "--scopes", scopes
        )
        return said.splitlines()[-1]

    keys = story.Keys(await key(_ALL), await key("read"), await key("read"))
    async with aiohttp.ClientSession() as session:
        gateway = f"http://{config.LOOPBACK}:{settings.gateway_port}"
        return msgspec.to_builtins(await story.tell(story.Teller(session, gateway, keys)))
