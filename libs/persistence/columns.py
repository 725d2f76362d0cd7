r"""Columns as one text each: the cheapest way to hand PostgreSQL a batch of rows.

The driver's own array encoding costs more per row than the rules of the ledger do. A statement
takes `$1::text::bigint[]` for `numbers`, and `string_to_array($2, E'\\x1f', E'\\x1e')` for `texts`.
Both separators are control characters, which every id and text of ours refuses.

Rows that are new for certain go in by COPY: PostgreSQL then fills its pages many rows at a time.
"""

from collections.abc import Iterable, Sequence

from libs.persistence.engine import Connection

_SEPARATOR = "\x1f"
_NULL = "\x1e"


def numbers(values: Iterable[object]) -> str:
    """Numbers, booleans, uuids or times as an array literal; None stands for NULL."""
    return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"


def texts(values: Iterable[str | None]) -> str:
    """Texts without control characters, for `string_to_array`; None stands for NULL."""
    return _SEPARATOR.join([_NULL if value is None else value for value in values])


def columns(rows: Iterable[Sequence[object]]) -> list[str]:
    """The columns of `rows`, each as for `texts` whatever its values are; one row at least."""
    return [
        texts(None if value is None else str(value) for value in column)
        for column in zip(*rows, strict=True)
    ]


async def copy(
    connection: Connection, table: str, columns: Sequence[str], rows: Iterable[Sequence[object]]
) -> None:
    """Insert `rows` of `columns` into `table`; raises what an INSERT would, a row that exists
    already among it. Values are as for `numbers` and `texts`."""
    lines = [
        _SEPARATOR.join([_NULL if value is None else str(value) for value in row]) for row in rows
    ]
    data = "\n".join(lines).replace("\\", "\\\\").encode()
    await connection.copy_to_table(
        table,
        source=memoryview(data),  # type: ignore[arg-type]  # the stubs know no buffers
        columns=columns,
        format="text",
        delimiter=_SEPARATOR,
        null=_NULL,
    )
