"""A listed dead letter can be copied into the next command, whatever the width of the output."""

import io

import pytest
from rich.console import Console

from tools.dead_letters.cli import _print_table
from tools.dead_letters.dlq import DeadLetter

PLACE = "order.completed.dlq:0:1234567"
LETTER = DeadLetter(
    place=PLACE,
    key=None,
    value=None,
    headers=(),
    failure={"code": "invalid", "detail": "total:\n\tmust be " + "long " * 30, "time": "2026"},
)


def test_a_pipe_gets_a_line_per_letter_with_its_fields_separated_by_tabs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _print_table(Console(file=io.StringIO(), width=20), [LETTER])
    heading, line = capsys.readouterr().out.splitlines()
    assert heading.split("\t") == ["place", "code", "detail", "time"]
    place, code, detail, time = line.split("\t")
    assert (place, code, time) == (PLACE, "invalid", "2026")
    assert detail.startswith("total: must be long")


def test_a_narrow_terminal_folds_the_detail_and_not_the_place() -> None:
    output = io.StringIO()
    _print_table(Console(file=output, width=60, force_terminal=True), [LETTER])
    assert PLACE in output.getvalue()
