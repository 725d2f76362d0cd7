"""The tables that composed queries use, with the columns they use; migrations/ creates all tables."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    LargeBinary,
    MetaData,
    Numeric,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import TIMESTAMP

metadata = MetaData()

# Ids compare byte by byte: faster, and a prefix is a range of the index.
_ID = Text(collation="C")
_TIME = TIMESTAMP(timezone=True, precision=3)

# A cache of the fold over the account's entries, and the only place of the customer's own id.
accounts = Table(
    "accounts",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("store_id", _ID, nullable=False),
    Column("customer_id", _ID, nullable=False),
    Column("balance", BigInteger, nullable=False),
    Column("lifetime", BigInteger, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("suspended", Boolean, nullable=False),
    # Null until the first recorded order or posting: before that the customer does not exist.
    Column("member_since", _TIME),
    # What time changes of the account, encoded (domain/cycles.py); null as long as nothing does.
    Column("cycle", LargeBinary),
)

# The ledger: the service's role may insert and select, never update or delete.
# `id` is a UUIDv7, and its time is the posting time.
entries = Table(
    "entries",
    metadata,
    Column("account_id", BigInteger, primary_key=True),
    Column("sequence", BigInteger, primary_key=True),
    Column("id", Uuid, nullable=False),
    Column("store_id", _ID, nullable=False),
    Column("type", Text, nullable=False),
    Column("points", BigInteger, nullable=False),
    Column("balance_after", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("occurred_at", _TIME, nullable=False),
    Column("order_id", _ID),
    Column("redemption_id", _ID),
    Column("reward_id", _ID),
    Column("reward_name", Text),
    Column("lots", Text),
    Column("pending", BigInteger),
    Column("covered", BigInteger),
    Column("available_at", _TIME),
)

# The orders whose points waited, with what is left of them.
pending_awards = Table(
    "pending_awards",
    metadata,
    Column("store_id", _ID, primary_key=True),
    Column("order_id", _ID, primary_key=True),
    Column("points", BigInteger, nullable=False),
)

# An order that earned points names its entry. Any other one, `recorded_at` the time: held, skipped or
# worth nothing.
orders = Table(
    "orders",
    metadata,
    Column("store_id", _ID, primary_key=True),
    Column("order_id", _ID, primary_key=True),
    Column("account_id", BigInteger, nullable=False),
    Column("state", _ID, nullable=False),
    Column("occurred_at", _TIME, nullable=False),
    Column("recorded_at", _TIME),
    Column("entry_sequence", BigInteger),
    Column("refunded_points", BigInteger, nullable=False),
    Column("voided_points", BigInteger, nullable=False),
)

# Of a manual award or adjustment: the name of the key that posted it.
manual_entries = Table(
    "manual_entries",
    metadata,
    Column("account_id", BigInteger, primary_key=True),
    Column("sequence", BigInteger, primary_key=True),
    Column("posted_by", Text, nullable=False),
)

# The manual awards that a review voided as a whole.
voided_awards = Table(
    "voided_awards",
    metadata,
    Column("account_id", BigInteger, primary_key=True),
    Column("sequence", BigInteger, primary_key=True),
)

# The reviews that the ledger carried out, with the entry of a void that took points.
resolutions = Table(
    "resolutions",
    metadata,
    Column("anomaly_id", _ID, primary_key=True),
    Column("account_id", BigInteger, nullable=False),
    Column("entry_sequence", BigInteger),
)

status_changes = Table(
    "status_changes",
    metadata,
    Column("account_id", BigInteger, nullable=False),
    Column("changed_at", TIMESTAMP(timezone=True), nullable=False),
    Column("note", Text),
    Column("changed_by", Text, nullable=False),
)

# `arrival` is unique, and ascends for each account.
refunds = Table(
    "refunds",
    metadata,
    Column("store_id", _ID, primary_key=True),
    Column("order_id", _ID, primary_key=True),
    Column("refund_id", _ID, primary_key=True),
    Column("account_id", BigInteger, nullable=False),
    Column("amount", Numeric(19, 6)),
    Column("state", _ID, nullable=False),
    Column("detail", Text),
    Column("points", BigInteger, nullable=False),
    Column("entry_sequence", BigInteger),
    Column("occurred_at", _TIME, nullable=False),
    Column("arrival", BigInteger, nullable=False),
    Column("recorded_at", _TIME),
)

# A projection of the dead-letter topics of shop events. `id` is derived from the place of the letter:
# `<dead-letter topic>:<partition>:<offset>`.
dead_letters = Table(
    "dead_letters",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("place", _ID, nullable=False),
    Column("store_id", _ID, nullable=False),
    Column("topic", _ID, nullable=False),
    Column("code", _ID, nullable=False),
    Column("detail", Text, nullable=False),
    Column("service", Text, nullable=False),
    Column("customer_id", _ID),
    Column("order_id", _ID),
    Column("truncated", Boolean, nullable=False),
    Column("dead_at", _TIME, nullable=False),
    Column("headers", LargeBinary, nullable=False),
    Column("value", LargeBinary, nullable=False),
)

# The letters that were replayed or dropped, whether they are in `dead_letters` or not yet.
dead_letters_handled = Table(
    "dead_letters_handled",
    metadata,
    Column("id", Uuid, primary_key=True),
)
