"""`python -m tools COMMAND`: what `make` calls, and what operators call."""

import argparse
import logging
import sys
from typing import Final

from aiokafka.errors import KafkaConnectionError, KafkaTimeoutError, NodeNotReadyError

from libs.kernel.settings import SettingsError
from tools import order, rebuild
from tools.dead_letters import cli as dead_letters
from tools.demo import cli as demo
from tools.docs import cli as docs
from tools.ledger import cli as ledger
from tools.quality import cli as quality
from tools.stack import cli as stack
from tools.stack.errors import StackError, away

# Each adds its subcommands, with `run` as the default that carries one out.
_PARTS: Final = (stack, order, demo, dead_letters, ledger, rebuild, docs, quality)


def main(words: list[str] | None = None) -> int:
    """Carry out one command; answers the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for part in _PARTS:
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
        print(away("Kafka", "WHALE_KAFKA_URL"), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return code


if __name__ == "__main__":
    sys.exit(main())
