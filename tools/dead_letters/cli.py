"""The command `dead-letters`."""

import argparse
import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from tools.dead_letters.dlq import DeadLetter, DeadLetterQueue, open_dead_letter_queue
from tools.stack import record
from tools.stack.errors import StackError
from tools.stack.services import Addresses

_MAX_LISTED: Final = 50
_HEADINGS: Final = ("place", "code", "detail", "time")

Action = Callable[[DeadLetterQueue, argparse.Namespace], Awaitable[None]]


def register(commands: Any) -> None:
    """Add the command and its four subcommands."""
    command = commands.add_parser("dead-letters", help="records that could not be processed")
    subcommands = command.add_subparsers(required=True, metavar="list|show|replay|drop")
    listing = subcommands.add_parser(
        "list", help="counts by topic and code, and the newest letters"
    )
    _add_filters(listing)
    listing.set_defaults(run=_run, action=_list)
    showing = subcommands.add_parser("show", help="one dead letter with its headers and its value")
    showing.add_argument("place", help="<topic>.dlq:<partition>:<offset>, as listed")
    showing.set_defaults(run=_run, action=_show)
    for name, action, description in (
        (
            "replay",
            _replay,
            "publish to the topic again; an order posts at the customer's present tier",
        ),
        ("drop", _drop, "remove from the list without replaying"),
    ):
        subcommand = subcommands.add_parser(name, help=description)
        subcommand.add_argument("place", nargs="*", help="as listed")
        subcommand.add_argument("--all", action="store_true", help="all that match the filters")
        _add_filters(subcommand)
        subcommand.set_defaults(run=_run, action=action)


def _add_filters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--topic", help="only letters of this topic, such as order.completed")
    parser.add_argument("--code", help="only letters with this code, such as malformed")


def _run(arguments: argparse.Namespace) -> int:
    return asyncio.run(_run_action(record.find_servers().addresses, arguments))


async def _run_action(addresses: Addresses, arguments: argparse.Namespace) -> int:
    async with open_dead_letter_queue(addresses.kafka, security=addresses.kafka_security) as queue:
        await arguments.action(queue, arguments)
    return 0


async def _list(queue: DeadLetterQueue, arguments: argparse.Namespace) -> None:
    letters = _filter(await queue.read(), arguments)
    console = Console(highlight=False)
    if not letters:
        console.print("No dead letters.")
        return
    counts = Counter((letter.topic, letter.code) for letter in letters)
    for (topic, code), count in sorted(counts.items()):
        console.print(f"{topic}  {code}  {count:,}")
    console.print()
    _print_table(console, letters[-_MAX_LISTED:])
    if len(letters) > _MAX_LISTED:
        console.print(f"… the last {_MAX_LISTED} of {len(letters):,}")


def _print_table(console: Console, letters: Sequence[DeadLetter]) -> None:
    """In columns on a terminal, which fold except for the place, else separated by tabs: a place that was
    cut could not be shown or replayed."""
    if not console.is_terminal:
        for row in (_HEADINGS, *map(_columns, letters)):
            print("\t".join(row))
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    width = max(len(letter.place) for letter in letters)
    for heading in _HEADINGS:
        table.add_column(heading, overflow="fold", min_width=width if heading == "place" else None)
    for letter in letters:
        table.add_row(*_columns(letter))
    console.print(table)


def _columns(letter: DeadLetter) -> tuple[str, ...]:
    """The fields of a line, each without line breaks and tabs."""
    fields = (
        letter.place,
        letter.code,
        letter.failure.get("detail", ""),
        letter.failure.get("time", ""),
    )
    return tuple(" ".join(field.split()) for field in fields)


async def _show(queue: DeadLetterQueue, arguments: argparse.Namespace) -> None:
    (letter,) = _find(await queue.read(), [arguments.place])
    for name, text in letter.failure.items():
        print(f"dlq-{name}: {text}")
    for name, value in letter.headers:
        print(f"{name}: {_to_text(value)}")
    print(f"key: {_to_text(letter.key)}")
    print()
    print(_to_text(letter.value))


async def _replay(queue: DeadLetterQueue, arguments: argparse.Namespace) -> None:
    letters = _select(await queue.read(), arguments)
    await queue.replay(letters)
    print(
        f"Replayed {len(letters):,}. A record that still cannot be processed becomes a new dead letter."
    )


async def _drop(queue: DeadLetterQueue, arguments: argparse.Namespace) -> None:
    letters = _select(await queue.read(), arguments)
    await queue.drop(letters)
    print(f"Dropped {len(letters):,}.")


def _select(letters: Sequence[DeadLetter], arguments: argparse.Namespace) -> Sequence[DeadLetter]:
    if arguments.place:
        return _find(letters, arguments.place)
    if not arguments.all:
        raise StackError("Name places as listed, or use --all (with --topic, --code).")
    return _filter(letters, arguments)


def _find(letters: Sequence[DeadLetter], places: Sequence[str]) -> Sequence[DeadLetter]:
    by_place = {letter.place: letter for letter in letters}
    missing = [place for place in places if place not in by_place]
    if missing:
        raise StackError(
            f"No such dead letter, or it was replayed or dropped: {', '.join(missing)}"
        )
    return [by_place[place] for place in places]


def _filter(letters: Sequence[DeadLetter], arguments: argparse.Namespace) -> Sequence[DeadLetter]:
    return [
        letter
        for letter in letters
        if arguments.topic in {None, letter.topic} and arguments.code in {None, letter.code}
    ]


def _to_text(data: bytes | None) -> str:
    return "(none)" if data is None else data.decode(errors="backslashreplace")
