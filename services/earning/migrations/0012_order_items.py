"""The lines of orders, of programs that keep them: apart from the orders, which every posting reads."""

from libs.persistence import ddl

revision = "0012"
down_revision = "0011"

_PROGRAMS = "ALTER TABLE program_versions ADD COLUMN keep_items boolean NOT NULL DEFAULT false;\n"

# `items` is compressed by the service.
_ORDER_ITEMS = """
CREATE TABLE order_items (
    store_id  text COLLATE "C" NOT NULL,
    order_id  text COLLATE "C" NOT NULL,
    items     bytea NOT NULL,
    PRIMARY KEY (store_id, order_id)
);
ALTER TABLE order_items ALTER COLUMN items SET STORAGE EXTERNAL;
GRANT SELECT, INSERT, UPDATE ON order_items TO earning;
"""


def upgrade() -> None:
    ddl.execute(_PROGRAMS, _ORDER_ITEMS)
