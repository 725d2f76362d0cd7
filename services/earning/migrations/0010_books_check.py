"""Where the books check is, in one row."""

from libs.persistence import ddl

revision = "0010"
down_revision = "0009"

_BOOKS_CHECK = """
CREATE TABLE books_check (
    is_only_row  boolean PRIMARY KEY DEFAULT true CHECK (is_only_row),
    place        text,
    faults       bigint NOT NULL,
    last_faults  bigint NOT NULL,
    proven_at    timestamptz(3)
);
GRANT SELECT, INSERT, UPDATE ON books_check TO earning;
"""


def upgrade() -> None:
    ddl.execute(_BOOKS_CHECK)
