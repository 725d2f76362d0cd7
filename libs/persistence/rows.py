"""Rows that are inserted by COPY: structs whose fields are the columns, encoded without an object between.

A row is a `Struct(array_like=True)`: its fields have the names of the columns, so that a row and its table
cannot differ. PostgreSQL fills its pages many rows at a time.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct

from libs.persistence.engine import Connection

_encode_lines: Final = msgspec.json.Encoder().encode_lines


async def copy(connection: Connection, table: str, rows: Sequence[Struct]) -> None:
    """Insert `rows`, all of one type, into `table`. Raises what an INSERT would, also for a row that
    exists already, and ValueError for a text with control characters."""
    if rows:
        await connection.copy_to_table(
            table,
            source=memoryview(encode(rows)),  # type: ignore[arg-type]  # missing in the type stubs
            columns=rows[0].__struct_fields__,
            format="csv",
            null="null",
            quote='"',
            escape="\\",
        )


def encode(rows: Sequence[Struct]) -> bytes:
    """The rows as CSV, in which null is NULL, and a backslash escapes itself and a quotation mark."""
    csv = _encode_lines(rows)[1:-2].replace(b"]\n[", b"\n")
    if b"\\" in csv and b"\\" in csv.replace(b"\\\\", b"").replace(b'\\"', b""):
        # JSON has more escapes than CSV.
        raise ValueError("a text has control characters")
    return csv
