"""When a key was last used, to the minute, and the keys of a store."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute("ALTER TABLE api_keys ADD COLUMN last_used_at timestamptz")
    op.execute("CREATE INDEX api_keys_store ON api_keys (store_id)")
