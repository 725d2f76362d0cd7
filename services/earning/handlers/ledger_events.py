"""The events of the ledger: one per entry, and another if the entry changed the customer's tier.

A batch puts its entries into the outbox, in its own transaction; the relay builds the events from them
when it publishes them. So a posting does not wait for events to be encoded.
"""

from collections import deque
from collections.abc import Iterator
from typing import Final
from uuid import UUID

import msgspec
from msgspec import Struct

from libs.contracts.events import PointsExpiring, PointsPosted, TierChanged
from libs.contracts.topics import (
    POINTS_ADJUSTED,
    POINTS_EARNED,
    POINTS_EXPIRING,
    POINTS_REDEEMED,
    POINTS_TIER_CHANGED,
    record_key,
)
from libs.kernel.clock import format_time
from libs.kernel.ids import time_of
from libs.messaging import outbox
from libs.messaging.cloudevents import encode_event
from libs.messaging.outbox import EncodedEvent
from services.earning.domain import entry_lots
from services.earning.domain.accounts import Entry, ReminderNote, TierChange, transaction_id
from services.earning.domain.batch import LedgerBatch
from services.earning.domain.programs import program_id

SOURCE: Final = "/services/earning"

_TOPIC_OF: Final = {"earn": POINTS_EARNED, "redeem": POINTS_REDEEMED}

# The first byte of such a payload. Rows of encoded events, which earlier versions and other tasks write,
# begin with the magic number of zstd.
_ENTRIES: Final = b"\x01"


class PostedEntries(Struct, frozen=True, array_like=True):
    """The payload of a batch: its entries, and what their events show in addition. A later version may
    only add fields, each with a default.

    `customers` and `programs` have the customer of each account and the program of each version. Of each
    entry, `tiers` has the customer's tier afterwards; each of `traces` holds from its place on.
    """

    customers: dict[int, str]
    programs: dict[int, UUID]
    entries: list[Entry]
    tiers: list[str | None]
    tier_changes: list[TierChange]
    traces: list[tuple[int, str]]
    reminders: list[ReminderNote] = []


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(PostedEntries).decode


def pack(batch: LedgerBatch) -> bytes:
    """The payload of the batch's outbox row."""
    posted = PostedEntries(
        batch.customers,
        batch.program_ids,
        batch.entries,
        batch.tiers,
        batch.tier_changes,
        batch.traces,
        batch.reminders,
    )
    return _ENTRIES + outbox.compress(_encode(posted))


def unpack(payload: bytes) -> list[EncodedEvent]:
    """The events of an outbox row of earning, in order, of either form."""
    if not payload.startswith(_ENTRIES):
        return outbox.unpack(payload)
    return list(_build_events(_decode(outbox.decompress(payload[len(_ENTRIES) :]))))


def _build_events(posted: PostedEntries) -> Iterator[EncodedEvent]:
    changes = {change.place: change for change in posted.tier_changes}
    reminders = deque(posted.reminders)
    traces = dict(posted.traces)
    traceparent = ""
    for place, entry in enumerate(posted.entries):
        while reminders and reminders[0].place <= place:
            yield _encode_reminder(posted, reminders.popleft())
        traceparent = traces.get(place, traceparent)
        event = _points_posted(posted, entry, posted.tiers[place])
        key = record_key(event.store_id, event.customer_id)
        yield encode_event(
            event,
            topic=_TOPIC_OF.get(event.type, POINTS_ADJUSTED),
            key=key,
            event_id=event.transaction_id,
            source=SOURCE,
            time=event.created_at,
            traceparent=traceparent,
        )
        if place in changes:
            yield encode_event(
                _tier_changed(changes[place], event),
                topic=POINTS_TIER_CHANGED,
                key=key,
                event_id=f"{event.transaction_id}:tier",
                source=SOURCE,
                time=event.created_at,
                traceparent=traceparent,
            )
    for reminder in reminders:
        yield _encode_reminder(posted, reminder)


def _encode_reminder(posted: PostedEntries, reminder: ReminderNote) -> EncodedEvent:
    """Time caused it, so that it belongs to no trace."""
    customer_id, expires_on = posted.customers[reminder.account_id], reminder.expires_on.isoformat()
    event = PointsExpiring(
        store_id=reminder.store_id,
        customer_id=customer_id,
        points=reminder.points,
        expires_on=expires_on,
        expires_at=format_time(reminder.expires_at),
        days_left=reminder.days_left,
        balance=reminder.balance,
        occurred_at=format_time(reminder.occurred_at),
    )
    return encode_event(
        event,
        topic=POINTS_EXPIRING,
        key=record_key(event.store_id, customer_id),
        event_id=f"expiring:{event.store_id}:{customer_id}:{expires_on}:{event.days_left}",
        source=SOURCE,
        time=event.occurred_at,
        traceparent="",
    )


def _points_posted(posted: PostedEntries, entry: Entry, tier: str | None) -> PointsPosted:
    version = entry.program_version_id
    event = PointsPosted(
        store_id=entry.store_id,
        transaction_id=transaction_id(entry.id),
        program_id=None if version is None else program_id(posted.programs[version]),
        customer_id=posted.customers[entry.account_id],
        sequence=entry.sequence,
        type=entry.type,
        points=entry.points,
        balance_after=entry.balance_after,
        lifetime_after=entry.lifetime_after,
        tier=tier,
        reason=entry.reason,
        order_id=entry.order_id,
        redemption_id=entry.redemption_id,
        reward=entry.reward,
        occurred_at=format_time(entry.occurred_at),
        created_at=format_time(time_of(entry.id)),
    )
    is_plain = entry.lots is None and entry.pending is None and entry.available_at is None
    return event if is_plain else _with_lots(event, entry)


def _with_lots(event: PointsPosted, entry: Entry) -> PointsPosted:
    """The event of an entry of an account on which points expire or wait."""
    return msgspec.structs.replace(
        event,
        lots=entry_lots.lot_refs(entry.lots) or None,
        pending=entry.pending,
        covered=entry.covered,
        available_at=None if entry.available_at is None else format_time(entry.available_at),
    )


def _tier_changed(change: TierChange, event: PointsPosted) -> TierChanged:
    return TierChanged(
        store_id=event.store_id,
        program_id=program_id(change.program),
        customer_id=event.customer_id,
        sequence=event.sequence,
        lifetime_points=event.lifetime_after,
        occurred_at=event.occurred_at,
        from_=change.before,
        to=event.tier,
    )
