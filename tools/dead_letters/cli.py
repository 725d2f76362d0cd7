"""The command `dead-letters`."""

from typing import Any


def register(commands: Any) -> None:
    """Add the command."""
