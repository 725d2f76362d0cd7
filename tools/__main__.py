"""`python -m tools COMMAND`: the commands behind the targets of `make`, and those of operators."""

import argparse
import asyncio
import importlib
import logging
import os
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Final

try:
    from aiokafka.errors import (
        KafkaConnectionError,
        KafkaError,
        KafkaTimeoutError,
        NodeNotReadyError,
    )
except ModuleNotFoundError as error:
    sys.exit(
        f"{error.name} is not installed here: use .venv/bin/python -m tools, which `make up` installs."
    )

from libs.kernel.settings import SettingsError
from tools import provision
from tools.stack import cli as stack
from tools.stack import kafka, record
from tools.stack.errors import StackError, unavailable
from tools.stack.kafka import BrokerUnavailable

# Each registers its subcommands, with the function that executes one as the default of `run`.
_OTHER_MODULES: Final = (
    "tools.order",
    "tools.demo.cli",
    "tools.dead_letters.cli",
    "tools.ledger.cli",
    "tools.why",
    "tools.rebuild",
    "tools.restore.cli",
    "tools.docs.cli",
    "tools.quality.cli",
)


def main(command_line: list[str] | None = None) -> int:
    """Run one command, by default the process's own arguments; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for module in _modules((sys.argv[1:] if command_line is None else command_line)[:1]):
        module.register(commands)
    arguments = parser.parse_args(command_line)
    # Log lines of the Kafka client are dropped: an unavailable broker is reported below.
    logging.getLogger("aiokafka").addHandler(logging.NullHandler())
    try:
        code: int = arguments.run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has seen enough, as `head` has. Python flushes again when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (StackError, SettingsError) as error:
        print(error, file=sys.stderr)
        return 1
    except (KafkaConnectionError, KafkaTimeoutError, NodeNotReadyError):
        print(asyncio.run(_explain_unreachable_kafka()), file=sys.stderr)
        return 1
    except KafkaError as error:
        print(f"Kafka refuses this command: {error}. See docs/security.md#kafka.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return code


async def _explain_unreachable_kafka() -> StackError:
    addresses = record.find_servers().addresses
    try:
        await kafka.check(addresses.kafka, security=addresses.kafka_security)
    except BrokerUnavailable:
        pass
    except StackError as error:
        return error
    return unavailable("Kafka", "WHALE_KAFKA_URL")


def _modules(command: Sequence[str]) -> list[ModuleType]:
    """The modules to register: for a command of the stack only its own, since the others import most
    of the services, which takes as long as `make status` does."""
    for module in (stack, provision):
        if set(command) & set(module.COMMANDS):
            return [module]
    return [stack, provision, *(importlib.import_module(name) for name in _OTHER_MODULES)]


if __name__ == "__main__":
    sys.exit(main())
