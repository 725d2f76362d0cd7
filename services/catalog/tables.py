"""The tables that queries are composed on; migrations/ creates them and all others."""

from sqlalchemy import BigInteger, Boolean, Column, MetaData, Numeric, Table, Text
from sqlalchemy.dialects.postgresql import TIMESTAMP

metadata = MetaData()

# Ids compare byte by byte: faster, and independent of the rules of any language.
_ID = Text(collation="C")
_TIME = TIMESTAMP(timezone=True, precision=3)

# The current versions. A deleted reward stays, so that its id is never used again.
rewards = Table(
    "rewards",
    metadata,
    Column("store_id", _ID, primary_key=True),
    Column("id", _ID, primary_key=True),
    # Generated under the store's lock: the oldest reward has the lowest.
    Column("position", BigInteger, nullable=False, autoincrement=True),
    Column("version", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("points_cost", BigInteger, nullable=False),
    Column("type", Text, nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("created_at", _TIME, nullable=False),
    Column("description", Text),
    Column("value_amount", Numeric(19, 6)),
    Column("value_currency", Text),
    Column("value_percent", Numeric(9, 6)),
    Column("stock", BigInteger),
    Column("per_customer_limit", BigInteger),
    Column("starts_at", _TIME),
    Column("ends_at", _TIME),
    Column("min_tier", Text),
    Column("image_url", Text),
    # The JSON text that was sent, with the order of its keys; no query looks inside.
    Column("metadata", Text),
    Column("deleted", Boolean, nullable=False),
)

# Every version, in the JSON of the domain's Reward: fields are only ever added to it, with defaults.
reward_versions = Table(
    "reward_versions",
    metadata,
    Column("store_id", _ID, primary_key=True),
    Column("reward_id", _ID, primary_key=True),
    Column("version", BigInteger, primary_key=True),
    Column("reward", Text, nullable=False),
    Column("changed_by", Text),
    Column("changed_at", _TIME),
)

# How many of each reward are in use, for display: the sum over the transactions counted.
reward_uses = Table(
    "reward_uses",
    metadata,
    Column("store_id", _ID, primary_key=True),
    Column("reward_id", _ID, primary_key=True),
    Column("in_use", BigInteger, nullable=False),
)
