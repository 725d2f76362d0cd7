"""Whether the ports that the settings assign are free, and which ones to take instead."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Final

from tools.stack import config
from tools.stack.errors import StackError

# The suggested port resembles the one in use: 18080 for 8080.
_OFFSET: Final = 10_000
# Ports from here on are ephemeral on many systems: outgoing connections use them.
_END: Final = 32_000


def check_free(needed: Mapping[str, Sequence[int]]) -> None:
    """Raise StackError where processes listen on some of these ports, with the command that uses
    others. `needed` has the consecutive ports of each setting, by the setting's variable."""
    in_use = {variable: busy for variable, ports in needed.items() if (busy := _in_use(ports))}
    if not in_use:
        return
    listed = ", ".join(f"{', '.join(map(str, busy))} ({name})" for name, busy in in_use.items())
    reserved = set(chain.from_iterable(needed.values()))
    others: list[str] = []
    for name in in_use:
        free = _find_free(needed[name], reserved)
        reserved.update(free)
        others.append(f"{name}={free[0]}")
    raise StackError(
        f"These ports are in use: {listed}. Stop the processes that listen on them, such as another "
        f"local stack, or use other ports: {' '.join(others)} make up"
    )


def _in_use(ports: Sequence[int]) -> list[int]:
    return [port for port in ports if not config.is_free(port)]


def _find_free(ports: Sequence[int], reserved: set[int]) -> range:
    """As many consecutive ports that are free, and not reserved."""
    count = len(ports)
    preferred = range(ports[0] + _OFFSET, _END - count, count)
    for first in chain(preferred, range(_OFFSET, _END - count, count)):
        candidate = range(first, first + count)
        if reserved.isdisjoint(candidate) and not _in_use(candidate):
            return candidate
    raise StackError("No ports are free: stop some of the processes that listen on them.")
