"""Rewards as this service knows them, what is in use of them, and redemptions."""

from alembic import op

from libs.persistence import ddl

revision = "0001"
down_revision = None

_STATEMENTS = (
    # A projection of catalog.reward, which rebuilds it at any time.
    """
    CREATE TABLE rewards (
        store_id            text COLLATE "C" NOT NULL,
        reward_id           text COLLATE "C" NOT NULL,
        version             bigint NOT NULL,
        name                text NOT NULL,
        points_cost         bigint NOT NULL,
        type                text NOT NULL,
        is_active           boolean NOT NULL,
        deleted             boolean NOT NULL,
        stock               bigint,
        per_customer_limit  bigint,
        starts_at           timestamptz(3),
        ends_at             timestamptz(3),
        min_tier            text,
        created_at          timestamptz(3) NOT NULL,
        shown               bytea NOT NULL,
        PRIMARY KEY (store_id, reward_id)
    )
    """,
    # How much of a reward is in use: every redemption but released and cancelled ones. Its own table,
    # so that the projection can be rebuilt without it.
    """
    CREATE TABLE usage (
        store_id   text COLLATE "C" NOT NULL,
        reward_id  text COLLATE "C" NOT NULL,
        taken      bigint NOT NULL CHECK (taken >= 0),
        PRIMARY KEY (store_id, reward_id)
    ) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05)
    """,
    """
    CREATE TABLE redemptions (
        id              uuid PRIMARY KEY,
        store_id        text COLLATE "C" NOT NULL,
        customer_id     text COLLATE "C" NOT NULL,
        reward_id       text COLLATE "C" NOT NULL,
        reward_name     text NOT NULL,
        points          bigint NOT NULL,
        min_tier        text,
        status          text COLLATE "C" NOT NULL CHECK (status IN
            ('reserved', 'confirmed', 'used', 'cancelling', 'cancelled', 'released')),
        code            text COLLATE "C",
        claim_key       text COLLATE "C",
        transaction_id  text COLLATE "C",
        balance_after   bigint,
        debited_at      text COLLATE "C",
        changed_at      timestamptz NOT NULL DEFAULT now()
    ) WITH (fillfactor = 80)
    """,
    "CREATE INDEX redemptions_store ON redemptions (store_id, id)",
    "CREATE INDEX redemptions_customer ON redemptions (store_id, customer_id, reward_id, id)",
    "CREATE UNIQUE INDEX redemptions_code ON redemptions (store_id, code) WHERE code IS NOT NULL",
    # What the sweeper looks for.
    """
    CREATE INDEX redemptions_unsettled ON redemptions (changed_at)
    WHERE status IN ('reserved', 'cancelling')
    """,
    "GRANT SELECT, INSERT, UPDATE, DELETE ON rewards TO redemption",
    "GRANT SELECT, INSERT, UPDATE ON usage, redemptions TO redemption",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
    ddl.execute(ddl.IDEMPOTENCY_KEYS, ddl.idempotency_rights("redemption"))
