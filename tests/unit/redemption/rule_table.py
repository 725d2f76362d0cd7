"""The table of steps in docs/rules/redemption.md."""

from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "rules" / "redemption.md"
_EVERYTHING = 7


def rows() -> list[tuple[str, str, str]]:
    """(state before, step, state after or 409) of every cell of the table."""
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    tables = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    head = next(row for row in tables if row[0] == "in state")
    steps = [row for row in tables if len(row) == _EVERYTHING and row is not head]
    cells = [
        (row[0], step, after)
        for row in steps
        for step, after in zip(head[1:], row[1:], strict=True)
    ]
    assert len(cells) == 36, cells
    return cells
