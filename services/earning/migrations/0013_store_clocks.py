"""The clocks of stores that were moved forward, which only a local system does."""

from libs.persistence import ddl

revision = "0013"
down_revision = "0012"

_STORE_CLOCKS = """
CREATE TABLE store_clocks (
    store_id  text COLLATE "C" PRIMARY KEY,
    shift_ms  bigint NOT NULL CHECK (shift_ms >= 0)
);
GRANT SELECT, INSERT, UPDATE ON store_clocks TO earning;
"""


def upgrade() -> None:
    ddl.execute(_STORE_CLOCKS)
