"""The ledger's things in the shapes of /v1."""

from collections.abc import Sequence
from datetime import UTC
from functools import lru_cache
from typing import Any
from uuid import UUID

from msgspec import UNSET

from libs.contracts import api
from libs.contracts.events import RewardRef
from libs.contracts.numbers import plain, with_decimal
from libs.kernel.clock import format_time
from libs.kernel.ids import time_of
from services.earning.domain.accounts import Entry
from services.earning.domain.programs import Program


@lru_cache(maxsize=1_024)
def program_id(program: UUID) -> str:
    return f"loy_{program}"


def transaction_id(entry_id: str | UUID) -> str:
    return f"txn_{entry_id}"


def program(shown: Program) -> api.Program:
    """A programme, its tiers by min_points."""
    return api.Program(
        id=program_id(shown.id),
        name=shown.name,
        points_per_dollar=plain(shown.points_per_dollar),
        tiers=[
            api.Tier(
                name=tier.name,
                min_points=tier.min_points,
                multiplier=with_decimal(tier.multiplier),
                perks=UNSET if tier.perks is None else list(tier.perks),
            )
            for tier in shown.tiers
        ],
        is_active=shown.is_active,
        created_at=format_time(shown.created_at.astimezone(UTC)),
        currency=shown.currency,
    )


def transaction(entry: Entry) -> api.Transaction:
    """An entry as the one who posted it sees it."""
    return api.Transaction(
        id=transaction_id(entry.id),
        customer_id=entry.account.customer_id,
        type=entry.type,
        points=entry.points,
        reason=entry.reason,
        balance_after=entry.balance_after,
        created_at=format_time(time_of(entry.id)),
        reward=entry.reward or UNSET,
        order_id=entry.order_id or UNSET,
        redemption_id=entry.redemption_id or UNSET,
        occurred_at=format_time(entry.occurred_at),
    )


def listed_transaction(row: Any) -> api.Transaction:
    """An entry as it is read back: the same as when it was posted."""
    return api.Transaction(
        id=transaction_id(row["id"]),
        customer_id=row["customer_id"],
        type=row["type"],
        points=row["points"],
        reason=row["reason"],
        balance_after=row["balance_after"],
        created_at=format_time(time_of(str(row["id"]))),
        reward=UNSET
        if row["reward_id"] is None
        else RewardRef(row["reward_id"], row["reward_name"]),
        order_id=row["order_id"] or UNSET,
        redemption_id=row["redemption_id"] or UNSET,
        occurred_at=format_time(row["occurred_at"].astimezone(UTC)),
    )


def customer_status(
    account: Any, default: Program | None, recent: Sequence[Any] | None
) -> api.CustomerStatus:
    """A customer's status, with the `recent` entries where they are given. The tier is the default
    programme's, by the lifetime points."""
    return api.CustomerStatus(
        customer_id=account["customer_id"],
        points_balance=account["balance"],
        lifetime_points=account["lifetime"],
        tier=_held_tier(default, account["lifetime"]),
        transactions=UNSET
        if recent is None
        else [
            api.RecentTransaction(
                id=transaction_id(row["id"]),
                type=row["type"],
                points=row["points"],
                reason=row["reason"],
                created_at=format_time(time_of(str(row["id"]))),
            )
            for row in recent
        ],
        member_since=format_time(account["member_since"].astimezone(UTC)),
        status="suspended" if account["suspended"] else "active",
    )


def _held_tier(program: Program | None, lifetime: int) -> api.HeldTier | None:
    held = None if program is None else program.tier_at(lifetime)
    if program is None or held is None:
        return None
    above = program.next_tier(lifetime)
    return api.HeldTier(
        name=held.name,
        multiplier=with_decimal(held.multiplier),
        next_tier=None
        if above is None
        else api.NextTier(name=above.name, points_needed=above.min_points - lifetime),
    )
