"""The visits of stores that are planned: after some changes of settings, the sweeper visits all accounts."""

from libs.persistence import ddl

revision = "0017"
down_revision = "0016"

# `after` is the last customer who was visited.
_STORE_VISITS = """
CREATE TABLE store_visits (
    due_at    timestamptz(3) NOT NULL,
    store_id  text COLLATE "C" NOT NULL,
    after     text COLLATE "C" NOT NULL DEFAULT '',
    PRIMARY KEY (due_at, store_id)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON store_visits TO earning;
"""


def upgrade() -> None:
    ddl.execute(_STORE_VISITS)
