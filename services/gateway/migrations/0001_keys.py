"""Stores and their API keys."""

from alembic import op

revision = "0001"
down_revision = None

_STATEMENTS = (
    """
    CREATE TABLE stores (
        id          text COLLATE "C" PRIMARY KEY,
        created_at  timestamptz NOT NULL DEFAULT now()
    )
    """,
    """
    CREATE TABLE api_keys (
        digest      bytea PRIMARY KEY,
        prefix      text COLLATE "C" NOT NULL,
        store_id    text COLLATE "C" NOT NULL REFERENCES stores (id),
        name        text NOT NULL,
        scopes      text[] NOT NULL,
        created_at  timestamptz NOT NULL DEFAULT now(),
        revoked_at  timestamptz
    )
    """,
    "CREATE INDEX api_keys_prefix ON api_keys (prefix text_pattern_ops)",
    "GRANT SELECT, INSERT ON stores TO gateway",
    "GRANT SELECT, INSERT, UPDATE ON api_keys TO gateway",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
