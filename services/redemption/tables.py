"""The table that list queries are composed on; migrations/ creates it and all others."""

from sqlalchemy import BigInteger, Column, MetaData, Table, Text, Uuid

metadata = MetaData()

_ID = Text(collation="C")

redemptions = Table(
    "redemptions",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("store_id", _ID, nullable=False),
    Column("customer_id", _ID, nullable=False),
    Column("reward_id", _ID, nullable=False),
    Column("reward_name", Text, nullable=False),
    Column("points", BigInteger, nullable=False),
    Column("min_tier", Text),
    Column("status", _ID, nullable=False),
    Column("code", _ID),
    Column("claim_key", _ID),
    Column("transaction_id", _ID),
    Column("balance_after", BigInteger),
    Column("debited_at", _ID),
)
