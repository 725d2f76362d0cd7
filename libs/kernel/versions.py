"""Versions of what people change: a change may name the version that it is based on."""

from libs.kernel.errors import Conflict


def require_version(sent: int | None, current: int) -> None:
    """Raise Conflict if the caller bases a change on another version than the current one; None
    stands for any version."""
    if sent is not None and sent != current:
        raise Conflict(
            f"This was changed in the meantime: its version is {current}, not {sent}. Read it again, and "
            "base the change on what it is now."
        )
