"""Customers' points: awards, adjustments, redemptions, status and transactions."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime

from msgspec import UNSET, UnsetType

from whale_loyalty._operation import (
    Listing,
    Operation,
    listing,
    read,
    segment,
    without_unset,
    write,
)
from whale_loyalty.models import (
    AwardInput,
    BatchAnswer,
    CustomerStatus,
    ExpirationForecast,
    ExpiringPoints,
    PendingPoints,
    Redeemed,
    Summary,
    Transaction,
)
from whale_loyalty.values import AccountStatus, TransactionType


def earn(
    customer_id: str,
    *,
    points: int,
    reason: str,
    expires_on: date | str | UnsetType | None = UNSET,
    idempotency_key: str | None = None,
) -> Operation[Transaction]:
    """Award points manually: exactly `points`, without the program's rate or a multiplier. `expires_on` is their
    last day, None if they never expire; without it, they follow the setting of the program."""
    body = without_unset(
        customer_id=customer_id, points=points, reason=reason, expires_on=expires_on
    )
    return write("POST", "loyalty/earn", Transaction, body=body, idempotency_key=idempotency_key)


def earn_batch(
    items: Sequence[AwardInput], *, idempotency_key: str | None = None
) -> Operation[BatchAnswer]:
    """Make up to 500 awards in one request; each has its own result, in order."""
    body = {"items": items}
    path = "loyalty/earn/batch"
    return write("POST", path, BatchAnswer, body=body, idempotency_key=idempotency_key)


def adjust(
    customer_id: str,
    *,
    points: int,
    reason: str,
    expires_on: date | str | UnsetType | None = UNSET,
    idempotency_key: str | None = None,
) -> Operation[Transaction]:
    """Adjust a balance up or down, never below zero; lifetime points are unchanged. `expires_on` is the last day of
    added points, as in `earn`."""
    body = without_unset(
        customer_id=customer_id, points=points, reason=reason, expires_on=expires_on
    )
    return write("POST", "loyalty/adjust", Transaction, body=body, idempotency_key=idempotency_key)


def redeem(
    customer_id: str,
    reward_id: str,
    *,
    points_cost: int | None = None,
    idempotency_key: str | None = None,
) -> Operation[Redeemed]:
    """Redeem a reward. With `points_cost`, raises Conflict if the price is different."""
    body = without_unset(
        customer_id=customer_id,
        reward_id=reward_id,
        points_cost=UNSET if points_cost is None else points_cost,
    )
    return write("POST", "loyalty/redeem", Redeemed, body=body, idempotency_key=idempotency_key)


def get(customer_id: str) -> Operation[CustomerStatus]:
    """A customer's points, tier and newest transactions."""
    return read(f"loyalty/customers/{segment(customer_id)}", CustomerStatus)


def summary(*, from_: date | str | None = None, to: date | str | None = None) -> Operation[Summary]:
    """The store's totals, and its UTC days from `from_` to `to`, by default the last 30."""
    return read("loyalty/summary", Summary, **{"from": from_, "to": to})


def forecast_expirations(*, days: int | None = None) -> Operation[ExpirationForecast]:
    """The points of all customers that expire from today to `days` later, by default 90, at most 366; as of
    a few minutes ago."""
    return read("loyalty/expirations", ExpirationForecast, days=days)


def list_customers(
    *,
    query: str | None = None,
    tier: str | None = None,
    status: AccountStatus | None = None,
    limit: int | None = None,
    starting_after: str | None = None,
) -> Listing[CustomerStatus]:
    """Customers in the order of their ids, without transactions; `query` is a prefix of the id."""
    return listing(
        "loyalty/customers",
        CustomerStatus,
        get_id=lambda item: item.customer_id,
        query=query,
        tier=tier,
        status=status,
        limit=limit,
        starting_after=starting_after,
    )


def update_customer(
    customer_id: str,
    *,
    status: AccountStatus,
    note: str | None = None,
    idempotency_key: str | None = None,
) -> Operation[CustomerStatus]:
    """Suspend a customer's account (`suspended`), or reactivate it (`active`)."""
    body = without_unset(status=status, note=UNSET if note is None else note)
    path = f"loyalty/customers/{segment(customer_id)}"
    return write("PATCH", path, CustomerStatus, body=body, idempotency_key=idempotency_key)


def list_expirations(
    customer_id: str, *, limit: int | None = None, starting_after: date | str | None = None
) -> Listing[ExpiringPoints]:
    """When a customer's points expire, earliest first; `starting_after` is a last day. Each page says in
    `without_date` how many points never expire."""
    return listing(
        f"loyalty/customers/{segment(customer_id)}/expirations",
        ExpiringPoints,
        get_id=lambda item: item.expires_on.isoformat(),
        limit=limit,
        starting_after=starting_after,
    )


def list_pending(
    customer_id: str, *, limit: int | None = None, starting_after: str | None = None
) -> Listing[PendingPoints]:
    """A customer's points that wait, earliest first, those that wait for a fulfillment last;
    `starting_after` is a transaction."""
    return listing(
        f"loyalty/customers/{segment(customer_id)}/pending",
        PendingPoints,
        get_id=lambda item: item.transaction_id,
        limit=limit,
        starting_after=starting_after,
    )


def list_transactions(
    *,
    customer_id: str | None = None,
    type: TransactionType | None = None,
    created_after: datetime | str | None = None,
    created_before: datetime | str | None = None,
    order_id: str | None = None,
    occurred_after: datetime | str | None = None,
    occurred_before: datetime | str | None = None,
    ids: Iterable[str] | None = None,
    order: str | None = None,
    limit: int | None = None,
    starting_after: str | None = None,
) -> Listing[Transaction]:
    """Transactions, newest first; all times are inclusive and must have an offset.

    `ids` selects up to 100 of them. The times of the events, `occurred_after` and `occurred_before`, and
    `order` (`occurred_at` or `-occurred_at`, newest first) need a `customer_id`.
    """
    return listing(
        "loyalty/transactions",
        Transaction,
        get_id=lambda item: item.id,
        customer_id=customer_id,
        type=type,
        created_after=created_after,
        created_before=created_before,
        order_id=order_id,
        occurred_after=occurred_after,
        occurred_before=occurred_before,
        ids=None if ids is None else ",".join(ids),
        order=order,
        limit=limit,
        starting_after=starting_after,
    )


def retrieve_transaction(transaction_id: str) -> Operation[Transaction]:
    """One transaction."""
    return read(f"loyalty/transactions/{segment(transaction_id)}", Transaction)
