"""The table that queries are composed from; migrations/ creates it and the others."""

from sqlalchemy import BigInteger, Column, Integer, MetaData, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP

metadata = MetaData()

# Ids compare byte by byte: faster, and free of any language's rules.
_ID = Text(collation="C")
_MOMENT = TIMESTAMP(timezone=True, precision=3)

anomalies = Table(
    "anomalies",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("store_id", _ID, nullable=False),
    Column("customer_id", _ID, nullable=False),
    Column("type", _ID, nullable=False),
    Column("mode", _ID, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("description", Text, nullable=False),
    Column("points", BigInteger, nullable=False),
    Column("transaction_ids", ARRAY(Uuid), nullable=False),
    Column("first_at", _MOMENT, nullable=False),
    Column("last_at", _MOMENT, nullable=False),
    # JSON text; no query looks into it.
    Column("evidence", Text, nullable=False),
    Column("status", _ID, nullable=False),
    Column("flagged_at", _MOMENT, nullable=False),
    Column("merged_into", Uuid),
    Column("resolution", _ID),
    Column("note", Text),
    Column("reviewed_by", Text),
    Column("resolved_at", _MOMENT),
    Column("reviewer", Text),
    Column("in_review_at", _MOMENT),
    Column("updated_at", _MOMENT),
)
