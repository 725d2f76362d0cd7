"""The command `rewind`."""

import argparse
import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from libs.kernel.clock import format_time, parse_time
from tools.progress import progress_bars
from tools.restore.rewind import Rewind
from tools.stack.errors import StackError
from tools.stack.record import find_servers

_MARGIN_MINUTES: Final = 60


def register(commands: Any) -> None:
    """Add the command."""
    rewinding = commands.add_parser(
        "rewind", help="after a restore: set the consumers back to what the databases contain"
    )
    rewinding.add_argument(
        "--to",
        required=True,
        metavar="TIME",
        help="the restored instant, such as 2026-03-10T12:00:00Z",
    )
    rewinding.add_argument(
        "--margin",
        type=int,
        default=_MARGIN_MINUTES,
        metavar="MINUTES",
        help="how much earlier to begin: more than the largest lag at the instant",
    )
    rewinding.add_argument(
        "--lost", type=Path, metavar="FILE", help="write the lost events here, one JSON per line"
    )
    rewinding.set_defaults(run=lambda arguments: asyncio.run(_run(arguments)))


async def _run(arguments: argparse.Namespace) -> int:
    addresses = find_servers().addresses
    try:
        moment = parse_time(arguments.to) - timedelta(minutes=arguments.margin)
    except ValueError as error:
        raise StackError(f"--to: {error}. Write 2026-03-10T12:00:00Z, for example.") from error
    rewind = Rewind(addresses.kafka, addresses.kafka_security, moment)
    await rewind.check_stopped()
    console = Console(highlight=False)
    console.print(f"Reading what was published since {format_time(moment)} …")
    lost: list[bytes] = []
    with progress_bars(console) as progress:
        bar = progress.add_task("events", total=None)
        async for topic in rewind.run(lambda count: progress.update(bar, advance=count)):
            lost += topic.lost
            if topic.replayed:
                console.print(
                    f"{topic.topic}: {topic.replayed:,} records will be read again", soft_wrap=True
                )
            if topic.republished or topic.lost:
                console.print(
                    f"{topic.topic}: {topic.republished:,} events published again, "
                    f"{len(topic.lost):,} left out, since no database contains them",
                    soft_wrap=True,
                )
    if arguments.lost is not None:
        arguments.lost.write_bytes(b"".join(value + b"\n" for value in lost))
    console.print("The consumers are set back. Start the services.")
    return 0
