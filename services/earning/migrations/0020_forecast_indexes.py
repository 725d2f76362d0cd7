"""The indexes of what forecasts and summaries read of a store: the accounts on which something is due some day, and
the orders whose points wait. They are partial: a store in which nothing expires or waits adds nothing to them."""

from libs.persistence import ddl

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    ddl.create_index(
        "accounts_dated", "ON accounts (store_id, customer_id) WHERE due_at IS NOT NULL"
    )
    # The sum of a store's waiting points then reads the index alone, and none of other stores.
    ddl.create_index(
        "pending_awards_waiting",
        "ON pending_awards (store_id) INCLUDE (points) WHERE wait_on IS NOT NULL",
    )
