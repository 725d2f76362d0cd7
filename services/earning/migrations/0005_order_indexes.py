"""The indexes of the list of orders. An order that earned points is found through its entry, so these
indexes are partial: a posted order adds nothing to them."""

from libs.persistence import ddl

revision = "0005"
down_revision = "0004"

_WHERE = "WHERE entry_sequence IS NULL"


def upgrade() -> None:
    ddl.create_index(
        "orders_not_posted",
        f"ON orders (store_id, coalesce(recorded_at, occurred_at), order_id) {_WHERE}",
    )
    ddl.create_index(
        "orders_not_posted_account",
        f"ON orders (account_id, coalesce(recorded_at, occurred_at), order_id) {_WHERE}",
    )
    ddl.drop_index("orders_skipped")
