"""What a run prints: each figure as it comes, the progress of each step, the time left."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console

from tools.progress import progress_bars

# Without a terminal there are no bars, and a long step prints a line this often.
_LINE_SECONDS = 15.0


class Display:
    """Bars on a terminal, lines elsewhere."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)
        self._bars = progress_bars(self._console)

    def __enter__(self) -> "Display":
        if self._console.is_terminal:
            self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def line(self, text: str) -> None:
        """Print a line above the bars."""
        self._console.print(text, soft_wrap=True)

    @contextmanager
    def step(self, name: str, total: float) -> Iterator[Callable[[float], None]]:
        """A step of `total` items; the yielded function gets how many are done."""
        task = self._bars.add_task(name, total=total)
        started = printed = time.monotonic()

        def advance(done: float) -> None:
            nonlocal printed
            self._bars.update(task, completed=done)
            now = time.monotonic()
            if not self._console.is_terminal and now - printed > _LINE_SECONDS:
                printed = now
                estimate = time_left(now - started, done, total)
                self.line(f"  {name}: {done:,.0f} of {total:,.0f}, {estimate}")

        try:
            yield advance
        finally:
            self._bars.remove_task(task)


def time_left(elapsed: float, done: float, total: float) -> str:
    """How long the rest takes if it goes on like this."""
    if not done:
        return "time left not known yet"
    minutes, seconds = divmod(round(elapsed / done * (total - done)), 60)
    return f"{minutes} min {seconds:02} s left"
