"""The tables of catalog, as queries see them; migrations/ makes them."""

from sqlalchemy import BigInteger, Boolean, Column, Index, MetaData, Numeric, Table, Text
from sqlalchemy.dialects.postgresql import TIMESTAMP

metadata = MetaData()

# Ids compare byte by byte: faster, and free of any language's rules.
_ID = Text(collation="C")
_MOMENT = TIMESTAMP(timezone=True, precision=3)

# The version in force. A deleted reward stays, so that its id is never used again.
rewards = Table(
    "rewards",
    metadata,
    Column("store_id", _ID, primary_key=True),
    Column("id", _ID, primary_key=True),
    # Oldest first: drawn under the store's lock.
    Column("position", BigInteger, nullable=False, autoincrement=True),
    Column("version", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("points_cost", BigInteger, nullable=False),
    Column("type", Text, nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("created_at", _MOMENT, nullable=False),
    Column("description", Text),
    Column("value_amount", Numeric(19, 6)),
    Column("value_currency", Text),
    Column("value_percent", Numeric(9, 6)),
    Column("stock", BigInteger),
    Column("per_customer_limit", BigInteger),
    Column("starts_at", _MOMENT),
    Column("ends_at", _MOMENT),
    Column("min_tier", Text),
    Column("image_url", Text),
    # JSON as it was sent, the order of its keys too: nothing queries it.
    Column("metadata", Text),
    Column("deleted", Boolean, nullable=False),
    Index("rewards_position", "store_id", "position"),
)

# What is in use of each reward, for display: the sum over the transactions counted.
reward_uses = Table(
    "reward_uses",
    metadata,
    Column("store_id", _ID, primary_key=True),
    Column("reward_id", _ID, primary_key=True),
    Column("in_use", BigInteger, nullable=False),
)
