"""The ledger's things as callers see them in /v1 and on Kafka."""

from collections.abc import Iterable, Iterator
from datetime import UTC
from typing import Final
from uuid import UUID

from libs.contracts import api
from libs.contracts.events import PointsPosted, TierChanged
from libs.contracts.numbers import plain, with_decimal
from libs.contracts.topics import (
    POINTS_ADJUSTED,
    POINTS_EARNED,
    POINTS_REDEEMED,
    POINTS_TIER_CHANGED,
    record_key,
)
from libs.kernel.clock import format_time
from libs.kernel.ids import time_of
from libs.messaging.outbox import EncodedEvent
from msgspec import UNSET

from services.earning.domain.accounts import Entry
from services.earning.domain.programs import Program

_TOPIC_OF: Final = {"earn": POINTS_EARNED, "redeem": POINTS_REDEEMED}


def program_id(program: UUID) -> str:
    return f"loy_{program}"


def transaction_id(entry_id: str) -> str:
    return f"txn_{entry_id}"


def program(shown: Program) -> api.Program:
    """A programme as the API answers it, its tiers by min_points."""
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
