"""Mark earnings that were judged by the store's baseline: a late earning changes it for them."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute("ALTER TABLE earnings ADD COLUMN by_store boolean NOT NULL DEFAULT false")
    op.execute("CREATE INDEX earnings_by_store ON earnings (store_id, occurred_at) WHERE by_store")
