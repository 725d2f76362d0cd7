"""The tables that queries are composed on; migrations/ creates them."""

from sqlalchemy import ARRAY, TIMESTAMP, Column, LargeBinary, MetaData, Table, Text

metadata = MetaData()

_ID = Text(collation="C")
_MOMENT = TIMESTAMP(timezone=True)

stores = Table(
    "stores",
    metadata,
    Column("id", _ID, primary_key=True),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("prefix", _ID, nullable=False),
    Column("store_id", _ID, nullable=False),
    Column("name", Text, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("created_at", _MOMENT, nullable=False),
    Column("revoked_at", _MOMENT),
    # To the minute: a key is looked up every few seconds, and recorded as used once a minute.
    Column("last_used_at", _MOMENT),
)
