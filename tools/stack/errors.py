"""Errors of the stack, each reported in one sentence that says what to do."""

import errno


class StackError(Exception):
    """A failure whose message is all that the user is shown."""


def unavailable(server: str, variable: str) -> StackError:
    """The error for a server that does not respond; `variable` is the setting with its address."""
    return StackError(
        f"{server} does not respond: start the stack with `make up`, or check {variable}."
    )


def explain(error: BaseException) -> str:
    """One sentence for any error that stopped a start."""
    if isinstance(error, StackError):
        return str(error)
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return (
            "The disk is full: free some space (a stack needs about 1 GB) and run `make up` again."
        )
    if isinstance(error, PermissionError):
        return (
            f"{error.filename} is not writable: change its permissions, or set WHALE_HOME to a "
            "folder of your own."
        )
    return f"The start failed: {type(error).__name__}: {error}. `make logs` shows more."
