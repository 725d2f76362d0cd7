"""The index of a store's open anomalies, which people look at all day: most anomalies are resolved."""

from libs.persistence import ddl

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    ddl.create_index(
        "anomalies_open",
        "ON anomalies (store_id, id) WHERE status IN ('pending_review', 'in_review')",
    )
