"""What replaying a dead letter needs: the record's key and headers as they came, what became of each
letter; and when a refund was recorded.

Letters from before have no headers and cannot be replayed over REST; marks from before have no outcome.
"""

from libs.persistence import ddl

revision = "0008"
down_revision = "0007"

_LETTERS = """
ALTER TABLE dead_letters ADD COLUMN key bytea, ADD COLUMN raw_headers bytea;
ALTER TABLE dead_letters_handled ADD COLUMN outcome text COLLATE "C";
"""
_REFUNDS = "ALTER TABLE refunds ADD COLUMN recorded_at timestamptz(3);\n"


def upgrade() -> None:
    ddl.execute(_LETTERS, _REFUNDS)
