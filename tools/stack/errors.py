"""What can go wrong with the stack, told in one sentence that says what to do."""

import errno


class StackError(Exception):
    """The message is all a user is shown."""


def away(server: str, variable: str) -> StackError:
    """A server that a command needs does not answer; `variable` names one that runs elsewhere."""
    return StackError(
        f"{server} does not answer: start the stack with `make up`, or check {variable}."
    )


def explain(error: BaseException) -> str:
    """One sentence for whatever stopped a start."""
    if isinstance(error, StackError):
        return str(error)
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return "The disk is full: make room (a stack takes about 1 GB) and run `make up` again."
    if isinstance(error, PermissionError):
        return f"{error.filename} may not be written: give yourself the right, or set WHALE_HOME."
    return f"The start failed: {type(error).__name__}: {error}. `make logs` shows more."
