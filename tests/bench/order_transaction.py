"""One order in one transaction, with an ORM: what most services do.

It uses SQLAlchemy alone, so that it runs in other environments too.
"""

import json
import uuid
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar

from sqlalchemy import BigInteger, Identity, LargeBinary, Sequence, Text, select
from sqlalchemy.dialects.postgresql import TIMESTAMP, insert
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

_POINTS_PER_DOLLAR = 10


class Row(DeclarativeBase):
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        int: BigInteger,
        str: Text,
        bytes: LargeBinary,
        datetime: TIMESTAMP(timezone=True),
    }


class Account(Row):
    __tablename__ = "accounts"
    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    store_id: Mapped[str]
    customer_id: Mapped[str]
    balance: Mapped[int]
    lifetime: Mapped[int]
    sequence: Mapped[int]
    suspended: Mapped[bool]
    tier: Mapped[str]
    member_since: Mapped[datetime]


class Entry(Row):
    __tablename__ = "entries"
    account_id: Mapped[int] = mapped_column(primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True)
    id: Mapped[uuid.UUID]
    store_id: Mapped[str]
    type: Mapped[str]
    points: Mapped[int]
    balance_after: Mapped[int]
    lifetime_after: Mapped[int]
    tier: Mapped[str]
    reason: Mapped[str]
    occurred_at: Mapped[datetime]
    order_id: Mapped[str]


class Order(Row):
    __tablename__ = "orders"
    store_id: Mapped[str] = mapped_column(primary_key=True)
    order_id: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[int]
    total: Mapped[Decimal]
    currency: Mapped[str]
    state: Mapped[str]
    reason: Mapped[str]
    occurred_at: Mapped[datetime]
    award: Mapped[int]
    entry_sequence: Mapped[int]


class Event(Row):
    __tablename__ = "outbox"
    id: Mapped[int] = mapped_column(Sequence("outbox_id"), primary_key=True)
    lane: Mapped[int]
    payload: Mapped[bytes]
    events: Mapped[int]


def post(session: Session, value: bytes) -> None:
    """Post an order unless it is known: its account, entry, record and event. The caller commits. Raises
    IntegrityError where a concurrent transaction posts the same order."""
    order = json.loads(value)
    store_id, order_id = order["store_id"], order["order_id"]
    if session.get(Order, (store_id, order_id)) is not None:
        return
    total = Decimal(order["total"])
    points = int(total * _POINTS_PER_DOLLAR)
    occurred_at = datetime.fromisoformat(order["completed_at"])
    account = _lock_account(session, store_id, order["customer_id"], occurred_at)
    account.balance += points
    account.lifetime += points
    account.sequence += 1
    reason = f"Order #{order['order_number']}"
    entry = Entry(
        account_id=account.id,
        sequence=account.sequence,
        id=uuid.uuid4(),
        store_id=store_id,
        type="earn",
        points=points,
        balance_after=account.balance,
        lifetime_after=account.lifetime,
        tier=account.tier,
        reason=reason,
        occurred_at=occurred_at,
        order_id=order_id,
    )
    record = Order(
        store_id=store_id,
        order_id=order_id,
        account_id=account.id,
        total=total,
        currency=order["currency"],
        state="counted",
        reason=reason,
        occurred_at=occurred_at,
        award=points,
        entry_sequence=account.sequence,
    )
    session.add_all(
        (entry, record, Event(lane=0, payload=_event(order, account, points), events=1))
    )


def _lock_account(
    session: Session, store_id: str, customer_id: str, occurred_at: datetime
) -> Account:
    """The customer's account, created where there is none."""
    query = select(Account).where(Account.store_id == store_id, Account.customer_id == customer_id)
    account = session.scalar(query.with_for_update())
    if account is None:
        new = insert(Account).values(
            store_id=store_id,
            customer_id=customer_id,
            balance=0,
            lifetime=0,
            sequence=0,
            suspended=False,
            tier="Bronze",
            member_since=occurred_at,
        )
        # A concurrent transaction may create the same account.
        session.execute(new.on_conflict_do_nothing())
        account = session.scalars(query.with_for_update()).one()
    return account


def _event(order: dict[str, Any], account: Account, points: int) -> bytes:
    return json.dumps(
        {
            "store_id": order["store_id"],
            "customer_id": order["customer_id"],
            "points": points,
            "balance_after": account.balance,
            "lifetime_after": account.lifetime,
            "created_at": datetime.now(UTC).isoformat(),
        }
    ).encode()
