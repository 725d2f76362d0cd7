"""The indexes of what is due, and of what clawbacks look up. They are partial: a store in which nothing
expires or waits adds nothing to them."""

from libs.persistence import ddl

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    ddl.create_index("accounts_due", "ON accounts (due_at) WHERE due_at IS NOT NULL")
    ddl.create_index(
        "entries_expired",
        "ON entries (account_id, sequence) "
        "WHERE lots IS NOT NULL AND type IN ('expire', 'refund', 'void')",
    )
