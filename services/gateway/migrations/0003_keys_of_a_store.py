"""The index of the keys of a store."""

from libs.persistence import ddl

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    ddl.create_index("api_keys_store", "ON api_keys (store_id)")
