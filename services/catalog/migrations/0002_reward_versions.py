"""Every version of a reward, with who made it and when."""

from libs.persistence import ddl

revision = "0002"
down_revision = "0001"

_TABLES = """
CREATE TABLE reward_versions (
    store_id    text COLLATE "C" NOT NULL,
    reward_id   text COLLATE "C" NOT NULL,
    version     bigint NOT NULL,
    reward      text NOT NULL,
    changed_by  text,
    changed_at  timestamptz(3),
    PRIMARY KEY (store_id, reward_id, version)
);
"""

_RIGHTS = """
GRANT SELECT, INSERT ON reward_versions TO catalog;
"""


def upgrade() -> None:
    ddl.execute(_TABLES, _RIGHTS)
