"""The command `dead-letters`."""

import argparse
import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from tools.dead_letters.desk import Desk, Letter, open_desk
from tools.stack import config, services
from tools.stack.errors import StackError

_LISTED: Final = 50

Work = Callable[[Desk, argparse.Namespace], Awaitable[None]]


def register(commands: Any) -> None:
    """Add the command and its four verbs."""
    command = commands.add_parser("dead-letters", help="what could not be processed")
    verbs = command.add_subparsers(required=True, metavar="list|show|replay|drop")
    listing = verbs.add_parser("list", help="how many, why, and which")
    _add_choice(listing)
    listing.set_defaults(run=_run, work=_list)
    showing = verbs.add_parser("show", help="one, whole")
    showing.add_argument("place", help="<topic>.dlq:<partition>:<offset>, as listed")
    showing.set_defaults(run=_run, work=_show)
    for name, work, told in (
        ("replay", _replay, "publish to the topic again; an order posts at the tier now held"),
        ("drop", _drop, "be done with"),
    ):
        verb = verbs.add_parser(name, help=told)
        verb.add_argument("place", nargs="*", help="as listed")
        verb.add_argument("--all", action="store_true", help="all that are chosen otherwise")
        _add_choice(verb)
        verb.set_defaults(run=_run, work=work)


def _add_choice(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--topic", help="of this topic only, as in order.completed")
    parser.add_argument("--code", help="of this reason only, as in malformed")


def _run(asked: argparse.Namespace) -> int:
    return asyncio.run(_at_desk(config.settings(), asked))


async def _at_desk(settings: config.Settings, asked: argparse.Namespace) -> int:
    bootstrap = services.kafka_address(settings)
    async with open_desk(bootstrap, security=settings.kafka_security) as desk:
        await asked.work(desk, asked)
    return 0


async def _list(desk: Desk, asked: argparse.Namespace) -> None:
    letters = _chosen(await desk.letters(), asked)
    console = Console(highlight=False)
    if not letters:
        console.print("No dead letters.")
        return
    for (topic, code), count in sorted(Counter((one.topic, one.code) for one in letters).items()):
        console.print(f"{topic}  {code}  {count:,}")
    table = Table("place", "code", "detail", "time", box=None, padding=(0, 2, 0, 0))
    for letter in letters[-_LISTED:]:
        detail = letter.told.get("detail", "")
        table.add_row(letter.place, letter.code, detail, letter.told.get("time", ""))
    console.print()
    console.print(table)
    if len(letters) > _LISTED:
        console.print(f"… the last {_LISTED} of {len(letters):,}")


async def _show(desk: Desk, asked: argparse.Namespace) -> None:
    (letter,) = _named(await desk.letters(), [asked.place])
    for name, told in letter.told.items():
        print(f"dlq-{name}: {told}")
    for name, value in letter.headers:
        print(f"{name}: {_readable(value)}")
    print(f"key: {_readable(letter.key)}")
    print()
    print(_readable(letter.value))


async def _replay(desk: Desk, asked: argparse.Namespace) -> None:
    letters = _asked_for(await desk.letters(), asked)
    await desk.replay(letters)
    print(f"Replayed {len(letters):,}. What still cannot be processed comes back as a new one.")


async def _drop(desk: Desk, asked: argparse.Namespace) -> None:
    letters = _asked_for(await desk.letters(), asked)
    await desk.drop(letters)
    print(f"Dropped {len(letters):,}.")


def _asked_for(letters: Sequence[Letter], asked: argparse.Namespace) -> Sequence[Letter]:
    if asked.place:
        return _named(letters, asked.place)
    if not asked.all:
        raise StackError("Say which: their places as listed, or --all (with --topic, --code).")
    return _chosen(letters, asked)


def _named(letters: Sequence[Letter], places: Sequence[str]) -> Sequence[Letter]:
    known = {letter.place: letter for letter in letters}
    missing = [place for place in places if place not in known]
    if missing:
        raise StackError(f"There is no such dead letter, or it is handled: {', '.join(missing)}")
    return [known[place] for place in places]


def _chosen(letters: Sequence[Letter], asked: argparse.Namespace) -> Sequence[Letter]:
    return [
        letter
        for letter in letters
        if asked.topic in {None, letter.topic} and asked.code in {None, letter.code}
    ]


def _readable(data: bytes | None) -> str:
    return "(none)" if data is None else data.decode(errors="backslashreplace")
