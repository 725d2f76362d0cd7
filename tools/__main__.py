"""`python -m tools COMMAND`: what `make` calls, and what operators call."""

import argparse
import importlib
import logging
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Final

from aiokafka.errors import KafkaConnectionError, KafkaTimeoutError, NodeNotReadyError

from libs.kernel.settings import SettingsError
from tools.stack import cli as stack
from tools.stack.errors import StackError, unavailable

# Each adds its subcommands, with `run` as the default that carries one out.
_OTHER_PARTS: Final = (
    "tools.order",
    "tools.demo.cli",
    "tools.dead_letters.cli",
    "tools.ledger.cli",
    "tools.rebuild",
    "tools.docs.cli",
    "tools.quality.cli",
)


def main(words: list[str] | None = None) -> int:
    """Carry out one command; answers the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for part in _parts((sys.argv[1:] if words is None else words)[:1]):
        part.register(commands)
    asked = parser.parse_args(words)
    # What the client of Kafka logs of a broker that is away is told below, in our words.
    logging.getLogger("aiokafka").addHandler(logging.NullHandler())
    try:
        code: int = asked.run(asked)
    except (StackError, SettingsError) as error:
        print(error, file=sys.stderr)
        return 1
    except (KafkaConnectionError, KafkaTimeoutError, NodeNotReadyError):
        print(unavailable("Kafka", "WHALE_KAFKA_URL"), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return code


def _parts(first_word: Sequence[str]) -> list[ModuleType]:
    """The local stack's commands alone where one of them is called: the other parts import most of
    the services, which takes as long as `make status` does."""
    if set(first_word) & set(stack.COMMANDS):
        return [stack]
    return [stack, *(importlib.import_module(name) for name in _OTHER_PARTS)]


if __name__ == "__main__":
    sys.exit(main())
