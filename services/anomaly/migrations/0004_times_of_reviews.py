"""When the review of an anomaly was started, and when the anomaly was last changed."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.execute("ALTER TABLE anomalies ADD COLUMN in_review_at timestamptz(3)")
    op.execute("ALTER TABLE anomalies ADD COLUMN updated_at timestamptz(3)")
