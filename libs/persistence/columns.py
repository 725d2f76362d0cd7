r"""A batch of rows as one string per column: the cheapest way to pass it to PostgreSQL.

The driver's array encoding costs more per row than the ledger's rules do. A statement reads
`numbers` as `$1::text::bigint[]`, and `texts` as `string_to_array($2, E'\\x1f', E'\\x1e')`. Both
separators are control characters, which no stored id or text contains. Rows that cannot exist yet
are inserted by COPY (libs/persistence/rows.py).
"""

from collections.abc import Iterable, Sequence

_SEPARATOR = "\x1f"
_NULL = "\x1e"


def numbers(values: Iterable[object]) -> str:
    """Numbers, booleans, uuids or times as an array literal; None becomes NULL."""
    return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"


def texts(values: Iterable[str | None]) -> str:
    """Texts without control characters, for `string_to_array`; None becomes NULL."""
    return _SEPARATOR.join([_NULL if value is None else value for value in values])


def columns(rows: Iterable[Sequence[object]]) -> list[str]:
    """The columns of `rows`, all encoded as by `texts`; needs at least one row."""
    return [
        texts(None if value is None else str(value) for value in column)
        for column in zip(*rows, strict=True)
    ]
