"""Customers' points: awards, corrections, redeeming, status and transactions."""

from collections.abc import Sequence
from datetime import date, datetime

from msgspec import UNSET

from whale_loyalty._operation import Listing, Operation, given, listing, read, segment, write
from whale_loyalty.models import (
    AwardInput,
    BatchAnswer,
    CustomerStatus,
    Redeemed,
    Summary,
    Transaction,
)


def earn(
    customer_id: str, *, points: int, reason: str, idempotency_key: str | None = None
) -> Operation[Transaction]:
    """Award points by hand, as they are: no rate, no multiplier."""
    body = {"customer_id": customer_id, "points": points, "reason": reason}
    return write("POST", "loyalty/earn", Transaction, body=body, idempotency_key=idempotency_key)


def earn_batch(
    items: Sequence[AwardInput], *, idempotency_key: str | None = None
) -> Operation[BatchAnswer]:
    """Award points to many, up to 500 at once; each award has its own verdict, in order."""
    body = {"items": items}
    path = "loyalty/earn/batch"
    return write("POST", path, BatchAnswer, body=body, idempotency_key=idempotency_key)


def adjust(
    customer_id: str, *, points: int, reason: str, idempotency_key: str | None = None
) -> Operation[Transaction]:
    """Correct a balance by hand, up or down but never below zero; the lifetime stays."""
    body = {"customer_id": customer_id, "points": points, "reason": reason}
    return write("POST", "loyalty/adjust", Transaction, body=body, idempotency_key=idempotency_key)


def redeem(
    customer_id: str,
    reward_id: str,
    *,
    points_cost: int | None = None,
    idempotency_key: str | None = None,
) -> Operation[Redeemed]:
    """Spend points on a reward; with `points_cost`, only at that price."""
    body = given(
        customer_id=customer_id,
        reward_id=reward_id,
        points_cost=UNSET if points_cost is None else points_cost,
    )
    return write("POST", "loyalty/redeem", Redeemed, body=body, idempotency_key=idempotency_key)


def get(customer_id: str) -> Operation[CustomerStatus]:
    """A customer's points, tier and newest transactions."""
    return read(f"loyalty/customers/{segment(customer_id)}", CustomerStatus)


def summary(*, from_: date | str | None = None, to: date | str | None = None) -> Operation[Summary]:
    """The programme at a glance: UTC days from `from_` to `to`, by default the last 30."""
    return read("loyalty/summary", Summary, **{"from": from_, "to": to})


def list_customers(
    *,
    query: str | None = None,
    tier: str | None = None,
    status: str | None = None,
    limit: int | None = None,
    starting_after: str | None = None,
) -> Listing[CustomerStatus]:
    """Customers by their id, without transactions; `query` is how the id starts."""
    return listing(
        "loyalty/customers",
        CustomerStatus,
        id_of=lambda one: one.customer_id,
        query=query,
        tier=tier,
        status=status,
        limit=limit,
        starting_after=starting_after,
    )


def update_customer(
    customer_id: str, *, status: str, note: str | None = None, idempotency_key: str | None = None
) -> Operation[CustomerStatus]:
    """Suspend a customer's account (`suspended`), or make it `active` again."""
    body = given(status=status, note=UNSET if note is None else note)
    path = f"loyalty/customers/{segment(customer_id)}"
    return write("PATCH", path, CustomerStatus, body=body, idempotency_key=idempotency_key)


def list_transactions(
    *,
    customer_id: str | None = None,
    type: str | None = None,
    created_after: datetime | str | None = None,
    created_before: datetime | str | None = None,
    limit: int | None = None,
    starting_after: str | None = None,
) -> Listing[Transaction]:
    """Transactions, newest first; both times are inclusive and need an offset."""
    return listing(
        "loyalty/transactions",
        Transaction,
        id_of=lambda one: one.id,
        customer_id=customer_id,
        type=type,
        created_after=created_after,
        created_before=created_before,
        limit=limit,
        starting_after=starting_after,
    )


def retrieve_transaction(transaction_id: str) -> Operation[Transaction]:
    """One transaction."""
    return read(f"loyalty/transactions/{segment(transaction_id)}", Transaction)
