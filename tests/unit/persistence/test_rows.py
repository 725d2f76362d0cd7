"""Rows as CSV. What PostgreSQL stores of them is in tests/integration/test_posting.py."""

import pytest
from msgspec import Struct

from libs.persistence.rows import encode


class Row(Struct, array_like=True):
    number: int | None
    text: str | None


def test_a_row_is_a_line() -> None:
    assert encode([Row(1, 'a "b" \\N'), Row(None, "null")]) == (b'1,"a \\"b\\" \\\\N"\nnull,"null"')


@pytest.mark.parametrize("text", ["a\nb", "\t", "\x01", '\\"\n', "\\\\\r"])
def test_control_characters_are_refused(text: str) -> None:
    """JSON escapes them; in CSV, the escapes would be stored as text."""
    with pytest.raises(ValueError, match="control characters"):
        encode([Row(1, text)])
