"""Who changed a program, and who posted a manual entry.

Versions of programs and manual entries from before name nobody.
"""

from libs.persistence import ddl

revision = "0006"
down_revision = "0005"

_PROGRAMS = "ALTER TABLE program_versions ADD COLUMN changed_by text;\n"

# The name of the key that posted a manual entry. Orders post almost all entries: a table of its own
# costs them nothing.
_MANUAL_ENTRIES = """
CREATE TABLE manual_entries (
    account_id  bigint NOT NULL,
    sequence    bigint NOT NULL,
    posted_by   text NOT NULL,
    PRIMARY KEY (account_id, sequence)
);
GRANT SELECT, INSERT ON manual_entries TO earning;
"""


def upgrade() -> None:
    ddl.execute(_PROGRAMS, _MANUAL_ENTRIES)
