"""The tables that composed queries of earning use; migrations/ creates all tables."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    MetaData,
    Numeric,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

from libs.messaging.outbox import outbox_table
from libs.persistence.idempotency import idempotency_table

metadata = MetaData()

# Ids compare byte by byte: faster, and a prefix is a range of the index.
_ID = Text(collation="C")
_MOMENT = TIMESTAMP(timezone=True, precision=3)
_MONEY = Numeric(19, 6)

programs = Table(
    "programs",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("store_id", _ID, nullable=False),
    Column("version_id", BigInteger, nullable=False),
    Column("created_at", _MOMENT, nullable=False),
    Index("programs_store", "store_id", "id"),
)

# What a programme was at a time; never changed, so that an entry can point at what made it.
program_versions = Table(
    "program_versions",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=True),
    Column("program_id", Uuid, nullable=False),
    Column("version", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("points_per_dollar", Numeric(13, 6), nullable=False),
    Column("currency", Text, nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("tiers", JSONB, nullable=False),
    Column("created_at", _MOMENT, nullable=False),
    Index("program_versions_program", "program_id", "version", unique=True),
)

# A cache of the fold over the account's entries, and the one place of the customer's own id.
accounts = Table(
    "accounts",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=True),
    Column("store_id", _ID, nullable=False),
    Column("customer_id", _ID, nullable=False),
    Column("balance", BigInteger, nullable=False),
    Column("lifetime", BigInteger, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("suspended", Boolean, nullable=False),
    Column("tier", Text),
    # Null until the first recorded order or posting: before that there is no such customer.
    Column("member_since", _MOMENT),
    Index("accounts_customer", "store_id", "customer_id", unique=True),
)

# The ledger: the service's role may add and read, never change or remove.
# `id` is a UUIDv7, and its time is when the entry was posted.
entries = Table(
    "entries",
    metadata,
    Column("account_id", BigInteger, primary_key=True, autoincrement=False),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("id", Uuid, nullable=False),
    Column("store_id", _ID, nullable=False),
    Column("type", Text, nullable=False),
    Column("points", BigInteger, nullable=False),
    Column("balance_after", BigInteger, nullable=False),
    Column("lifetime_after", BigInteger, nullable=False),
    # The immutable version that priced it has the rate; `tier` names the multiplier's step in it.
    Column("program_version_id", BigInteger),
    Column("tier", Text),
    Column("reason", Text, nullable=False),
    Column("occurred_at", _MOMENT, nullable=False),
    Column("order_id", _ID),
    Column("redemption_id", _ID),
    Column("reward_id", _ID),
    Column("reward_name", Text),
    Index("entries_store", "store_id", "id"),
)

orders = Table(
    "orders",
    metadata,
    Column("store_id", _ID, primary_key=True),
    Column("order_id", _ID, primary_key=True),
    Column("account_id", BigInteger, nullable=False),
    Column("total", _MONEY, nullable=False),
    Column("currency", _ID, nullable=False),
    Column("program_id", _ID),
    Column("state", _ID, nullable=False),
    Column("skip_reason", _ID),
    Column("reason", Text, nullable=False),
    Column("occurred_at", _MOMENT, nullable=False),
    # The points it earned, and the entry that says so; no entry where it was worth none.
    Column("award", BigInteger, nullable=False),
    Column("entry_sequence", BigInteger),
    # What was taken back of it: money refunded, and points by refunds and by voids.
    Column("refunded", _MONEY, nullable=False),
    Column("refunded_points", BigInteger, nullable=False),
    Column("voided_points", BigInteger, nullable=False),
    Column("arrival", BigInteger),
)

outbox = outbox_table(metadata)
idempotency_keys = idempotency_table(metadata)
