"""The fulfillments that wait for their orders."""

from libs.persistence import ddl

revision = "0014"
down_revision = "0013"

_FULFILLMENTS = """
CREATE TABLE fulfillments (
    store_id      text COLLATE "C" NOT NULL,
    order_id      text COLLATE "C" NOT NULL,
    account_id    bigint NOT NULL,
    fulfilled_at  timestamptz(3) NOT NULL,
    recorded_at   timestamptz(3) NOT NULL DEFAULT now(),
    PRIMARY KEY (store_id, order_id)
);
GRANT SELECT, INSERT ON fulfillments TO earning;
"""


def upgrade() -> None:
    ddl.execute(_FULFILLMENTS)
