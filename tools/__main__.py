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
from tools.stack import kafka, record
from tools.stack.errors import StackError, unavailable
from tools.stack.kafka import BrokerUnavailable

# The commands of each module. Only the module of the given command is imported: some import most of the
# services, which takes longer than most commands.
COMMANDS: Final = {
    "tools.stack.cli": (
        *("up", "down", "reset", "status", "logs", "restart", "key", "keys", "key-revoke"),
    ),
    "tools.provision": ("provision", "migrate", "server-passwords", "demo-store"),
    "tools.order": ("order",),
    "tools.demo.cli": ("demo",),
    "tools.dead_letters.cli": ("dead-letters",),
    "tools.ledger.cli": ("orders", "order-items", "verify"),
    "tools.why": ("why",),
    "tools.rebuild": ("rebuild",),
    "tools.restore.cli": ("rewind",),
    "tools.docs.cli": ("docs",),
    "tools.quality.cli": ("anomaly-quality",),
}


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


def _modules(command: Sequence[str]) -> Sequence[ModuleType]:
    """The module of the command; all, for help and errors, where there is no such command."""
    names = [name for name, known in COMMANDS.items() if set(command) & set(known)]
    return [importlib.import_module(name) for name in names or COMMANDS]


if __name__ == "__main__":
    sys.exit(main())
