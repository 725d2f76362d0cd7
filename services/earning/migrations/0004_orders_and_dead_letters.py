"""What the list of orders needs: when an order that is not in the ledger was recorded, and the dead
letters of each store.

Rows from before have no `recorded_at`; lists show their `occurred_at` instead.
"""

from libs.persistence import ddl

revision = "0004"
down_revision = "0003"

_ORDERS = "ALTER TABLE orders ADD COLUMN recorded_at timestamptz(3);\n"

# A projection of the dead-letter topics of shop events, of the letters that belong to a store.
_DEAD_LETTERS = """
CREATE TABLE dead_letters (
    id           uuid PRIMARY KEY,
    place        text COLLATE "C" NOT NULL,
    store_id     text COLLATE "C" NOT NULL,
    topic        text COLLATE "C" NOT NULL,
    code         text COLLATE "C" NOT NULL,
    detail       text NOT NULL,
    service      text NOT NULL,
    customer_id  text COLLATE "C",
    order_id     text COLLATE "C",
    truncated    boolean NOT NULL,
    dead_at      timestamptz(3) NOT NULL,
    headers      bytea NOT NULL,
    value        bytea NOT NULL
);
CREATE INDEX dead_letters_store ON dead_letters (store_id, dead_at, id);
CREATE INDEX dead_letters_order ON dead_letters (store_id, order_id) WHERE order_id IS NOT NULL;
CREATE INDEX dead_letters_dead_at ON dead_letters (dead_at);
CREATE TABLE dead_letters_handled (
    id          uuid PRIMARY KEY,
    handled_at  timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT, INSERT, DELETE ON dead_letters, dead_letters_handled TO earning;
"""


def upgrade() -> None:
    ddl.execute(_ORDERS, _DEAD_LETTERS)
