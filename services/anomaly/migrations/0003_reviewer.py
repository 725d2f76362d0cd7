"""The person who reviewed an anomaly, next to the name of the key: many people may share a key."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute("ALTER TABLE anomalies ADD COLUMN reviewer text")
    op.execute("ALTER TABLE reviews ADD COLUMN reviewer text")
