"""The indexes for lists of orders that earned nothing.

An order that earned points is found through its entry, so the indexes are partial: a posted order adds
nothing to them.
"""

from libs.persistence import ddl

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    ddl.create_index(
        "orders_not_posted",
        "ON orders (store_id, coalesce(recorded_at, occurred_at), order_id) "
        "WHERE entry_sequence IS NULL",
    )
    ddl.create_index(
        "orders_not_posted_account",
        "ON orders (account_id, coalesce(recorded_at, occurred_at), order_id) "
        "WHERE entry_sequence IS NULL",
    )
    ddl.drop_index("orders_skipped")
