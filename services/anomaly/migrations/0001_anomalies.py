"""Earnings seen, anomalies and their review, the stores' settings, outbox."""

from libs.persistence import ddl

revision = "0001"
down_revision = None

_TABLES = """
CREATE TABLE earnings (
    store_id     text COLLATE "C" NOT NULL,
    customer_id  text COLLATE "C" NOT NULL,
    occurred_at  timestamptz(3) NOT NULL,
    id           uuid NOT NULL,
    points       bigint NOT NULL,
    revision     integer NOT NULL,
    normal       boolean NOT NULL DEFAULT true,
    PRIMARY KEY (store_id, customer_id, occurred_at, id)
);
CREATE INDEX earnings_of_store ON earnings (store_id, occurred_at);

CREATE TABLE customers (
    store_id     text COLLATE "C" NOT NULL,
    customer_id  text COLLATE "C" NOT NULL,
    PRIMARY KEY (store_id, customer_id)
);

CREATE TABLE stores (
    store_id  text COLLATE "C" PRIMARY KEY,
    settings  text NOT NULL,
    revision  integer NOT NULL,
    epoch     bigint NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE anomalies (
    id               uuid PRIMARY KEY,
    store_id         text COLLATE "C" NOT NULL,
    customer_id      text COLLATE "C" NOT NULL,
    type             text COLLATE "C" NOT NULL,
    mode             text COLLATE "C" NOT NULL CHECK (mode IN ('shadow', 'review')),
    revision         integer NOT NULL,
    version          integer NOT NULL CHECK (version > 0),
    description      text NOT NULL,
    points           bigint NOT NULL,
    transaction_ids  uuid[] NOT NULL,
    first_at         timestamptz(3) NOT NULL,
    last_at          timestamptz(3) NOT NULL,
    evidence         text NOT NULL,
    status           text COLLATE "C" NOT NULL
                     CHECK (status IN ('pending_review', 'in_review', 'resolved', 'withdrawn')),
    flagged_at       timestamptz(3) NOT NULL,
    merged_into      uuid,
    resolution       text COLLATE "C" CHECK (resolution IN ('approved', 'voided', 'suspended')),
    note             text,
    reviewed_by      text,
    resolved_at      timestamptz(3),
    CHECK ((status = 'resolved') = (resolution IS NOT NULL))
);
CREATE INDEX anomalies_of_store ON anomalies (store_id, id);
CREATE INDEX anomalies_of_customer ON anomalies (store_id, customer_id, last_at);

CREATE TABLE reviews (
    anomaly_id   uuid NOT NULL,
    version      integer NOT NULL,
    status       text COLLATE "C" NOT NULL,
    resolution   text COLLATE "C",
    note         text,
    reviewed_by  text NOT NULL,
    reviewed_at  timestamptz(3) NOT NULL,
    PRIMARY KEY (anomaly_id, version)
);
"""

_RIGHTS = """
GRANT SELECT, INSERT, UPDATE ON earnings, customers, stores, anomalies TO anomaly;
GRANT SELECT, INSERT ON reviews TO anomaly;
"""


def upgrade() -> None:
    ddl.execute(
        _TABLES,
        ddl.OUTBOX,
        ddl.IDEMPOTENCY_KEYS,
        _RIGHTS,
        ddl.outbox_rights("anomaly"),
        ddl.idempotency_rights("anomaly"),
    )
