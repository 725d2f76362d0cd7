"""Debits of redemptions, and resolutions of anomalies."""

from alembic import op

revision = "0003"
down_revision = "0002"

_STATEMENTS = (
    # A redemption is debited, cancelled or permanently refused. All three share a key, so that a late
    # debit finds that its redemption was refused.
    """
    CREATE TABLE debits (
        redemption_id    text COLLATE "C" PRIMARY KEY,
        store_id         text COLLATE "C" NOT NULL,
        account_id       bigint,
        state            text COLLATE "C" NOT NULL CHECK (state IN ('debited', 'cancelled', 'refused')),
        entry_sequence   bigint,
        cancel_sequence  bigint
    )
    """,
    """
    CREATE TABLE resolutions (
        anomaly_id      text COLLATE "C" PRIMARY KEY,
        store_id        text COLLATE "C" NOT NULL,
        account_id      bigint NOT NULL,
        action          text COLLATE "C" NOT NULL CHECK (action IN ('voided', 'suspended')),
        entry_sequence  bigint
    )
    """,
    # Voided manual awards. Voided points of an order's award are recorded with the order.
    """
    CREATE TABLE voided_awards (
        account_id  bigint NOT NULL,
        sequence    bigint NOT NULL,
        anomaly_id  text COLLATE "C" NOT NULL,
        PRIMARY KEY (account_id, sequence)
    )
    """,
    "GRANT SELECT, INSERT, UPDATE ON debits TO earning",
    "GRANT SELECT, INSERT ON resolutions, voided_awards TO earning",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
