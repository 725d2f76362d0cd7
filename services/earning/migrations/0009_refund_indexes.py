"""The indexes of the list of refunds. Posting an order writes none of them."""

from libs.persistence import ddl

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    ddl.create_index("refunds_store", "ON refunds (store_id, arrival)")
    ddl.create_index("refunds_account", "ON refunds (account_id, arrival)")
