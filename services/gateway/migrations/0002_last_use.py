"""When a key was last used, to the minute."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute("ALTER TABLE api_keys ADD COLUMN last_used_at timestamptz")
