"""The events of the ledger: one per entry, and another if the entry changed the customer's tier."""

from collections.abc import Iterable
from typing import Final
from uuid import UUID

from libs.contracts.events import PointsPosted, TierChanged
from libs.contracts.topics import (
    POINTS_ADJUSTED,
    POINTS_EARNED,
    POINTS_REDEEMED,
    POINTS_TIER_CHANGED,
    record_key,
)
from libs.kernel.clock import format_time
from libs.kernel.ids import time_of
from libs.messaging.cloudevents import encode_event
from libs.messaging.outbox import EncodedEvent
from services.earning.domain.accounts import Entry, transaction_id
from services.earning.domain.programs import program_id

SOURCE: Final = "/services/earning"

_TOPIC_OF: Final = {"earn": POINTS_EARNED, "redeem": POINTS_REDEEMED}


def build_events(entries: Iterable[Entry]) -> list[EncodedEvent]:
    """The events of `entries`, in their order."""
    events: list[EncodedEvent] = []
    for entry in entries:
        key = record_key(entry.account.store_id, entry.account.customer_id)
        posted = _points_posted(entry, format_time(time_of(entry.id)))
        events.append(_encode_points_posted(posted, key, entry.traceparent))
        if entry.tier_after != entry.tier_before and entry.default_program is not None:
            events.append(_encode_tier_changed(entry, entry.default_program, posted, key))
    return events


def _encode_points_posted(posted: PointsPosted, key: bytes, traceparent: str) -> EncodedEvent:
    return encode_event(
        posted,
        topic=_TOPIC_OF.get(posted.type, POINTS_ADJUSTED),
        key=key,
        event_id=posted.transaction_id,
        source=SOURCE,
        time=posted.created_at,
        traceparent=traceparent,
    )


def _encode_tier_changed(
    entry: Entry, program: UUID, posted: PointsPosted, key: bytes
) -> EncodedEvent:
    return encode_event(
        TierChanged(
            store_id=posted.store_id,
            program_id=program_id(program),
            customer_id=posted.customer_id,
            sequence=posted.sequence,
            lifetime_points=posted.lifetime_after,
            occurred_at=posted.occurred_at,
            from_=entry.tier_before,
            to=entry.tier_after,
        ),
        topic=POINTS_TIER_CHANGED,
        key=key,
        event_id=f"{posted.transaction_id}:tier",
        source=SOURCE,
        time=posted.created_at,
        traceparent=entry.traceparent,
    )


def _points_posted(entry: Entry, posted_at: str) -> PointsPosted:
    return PointsPosted(
        store_id=entry.account.store_id,
        transaction_id=transaction_id(entry.id),
        program_id=None if entry.program is None else program_id(entry.program.id),
        customer_id=entry.account.customer_id,
        sequence=entry.sequence,
        type=entry.type,
        points=entry.points,
        balance_after=entry.balance_after,
        lifetime_after=entry.lifetime_after,
        tier=entry.tier_after,
        reason=entry.reason,
        order_id=entry.order_id,
        redemption_id=entry.redemption_id,
        reward=entry.reward,
        occurred_at=format_time(entry.occurred_at),
        created_at=posted_at,
    )
