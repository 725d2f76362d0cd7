"""How commands show progress: so many of so many, the rate, the time left."""

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text


class Rate(ProgressColumn):
    """Items a second."""

    def render(self, task: Task) -> Text:
        """The task's present speed."""
        return Text(f"{task.speed or 0:,.0f}/s")


def bars(console: Console) -> Progress:
    """Progress bars, one a task."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeRemainingColumn(compact=True),
        TextColumn("left"),
        console=console,
    )
