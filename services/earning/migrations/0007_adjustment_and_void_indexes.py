"""The indexes of the adjustments per day, and of the anomaly that a void resolves. Both are partial: an
entry of an order adds nothing to them."""

from libs.persistence import ddl

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    ddl.create_index(
        "entries_adjustments",
        "ON entries (store_id, occurred_at) INCLUDE (points) WHERE type = 'adjust'",
    )
    ddl.create_index(
        "resolutions_entry",
        "ON resolutions (account_id, entry_sequence) WHERE entry_sequence IS NOT NULL",
    )
