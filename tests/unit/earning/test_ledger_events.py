"""The events that the relay builds from a row of the outbox."""

import json
from datetime import timedelta
from typing import Any

import msgspec
from msgspec.structs import astuple

from libs.contracts.lifecycle import Expiry
from libs.messaging import outbox
from libs.messaging.outbox import EncodedEvent
from services.earning.domain.due import CatchUp
from services.earning.domain.timelines import SettingsVersion, Timeline, build_epochs
from services.earning.handlers.ledger_events import pack, unpack
from tests.unit.earning.builders import NOON, STORE, award, books, order

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def content(event: EncodedEvent) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(event.value)
    return value


def test_entries_become_events_in_their_order() -> None:
    ledger = books()
    ledger.post(award(4_900))
    ledger.post(order("o1", "50.00"))
    first, second = ledger.entries
    earned, tier, earned_more, tier_again = unpack(pack(ledger))
    assert [earned.topic, tier.topic] == ["points.earned", "points.tier_changed"]
    assert [earned.id, tier.id] == [f"txn_{first.id}", f"txn_{first.id}:tier"]
    assert (content(tier).get("from"), content(tier)["to"]) == (None, "Bronze")
    assert "program_id" not in content(earned)
    (program,) = ledger.programs(STORE).all
    assert content(earned_more) == {
        "store_id": STORE,
        "transaction_id": f"txn_{second.id}",
        "customer_id": "cust_1",
        "sequence": 2,
        "type": "earn",
        "points": 500,
        "balance_after": 5_400,
        "lifetime_after": 5_400,
        "reason": "Order o1",
        "occurred_at": "2026-03-10T12:00:00.000Z",
        "created_at": earned_more.time,
        "program_id": f"loy_{program.id}",
        "tier": "Silver",
        "order_id": "o1",
    }
    assert content(tier_again) == {
        "store_id": STORE,
        "program_id": f"loy_{program.id}",
        "customer_id": "cust_1",
        "sequence": 2,
        "lifetime_points": 5_400,
        "occurred_at": "2026-03-10T12:00:00.000Z",
        "from": "Bronze",
        "to": "Silver",
    }
    assert {event.key for event in (earned, tier, earned_more, tier_again)} == {
        f"{STORE}:cust_1".encode()
    }


def test_events_keep_the_trace_of_the_request_that_caused_them() -> None:
    ledger = books()
    ledger.trace("")
    ledger.post(award(1))
    ledger.trace(TRACE)
    ledger.post(award(1))
    ledger.trace("")
    ledger.post(award(1))
    traces = [event.traceparent for event in unpack(pack(ledger)) if event.topic == "points.earned"]
    assert traces == ["", TRACE, ""]


def test_events_that_an_earlier_version_encoded_are_published_too() -> None:
    event = EncodedEvent(
        topic="points.earned", key=b"store_1:cust_1", value=b"{}", id="txn_1", source="/", time="t"
    )
    assert unpack(outbox.pack([event])) == [event]


def test_entries_show_their_lots_and_reminders_come_before_what_followed_them() -> None:
    ledger = books()
    (program,) = ledger.programs(STORE).all
    version = SettingsVersion(
        program_id=program.id,
        at=NOON,
        is_active=True,
        time_zone=None,
        expiry=Expiry(kind="after", days=10),
        remind_days=(3,),
    )
    epochs = build_epochs([version])
    ledger.timelines = {STORE: Timeline(epochs, NOON)}
    ledger.post(award(50))
    later = Timeline(epochs, NOON + timedelta(days=8))
    ledger.timelines = {STORE: later}
    for state in ledger.cycles.values():
        state.timeline = later
    ledger.post(award(7))
    ledger.post(CatchUp(STORE, "cust_1"))
    ledger.post(CatchUp(STORE, "nobody"))
    assert not [state for state in list(ledger.cycles.values())[1:] if state.must_write]
    earned, _tier, reminder, earned_more = unpack(pack(ledger))
    assert content(earned)["lots"] == [{"points": 50, "expires_on": "2026-03-20"}]
    assert (reminder.topic, reminder.id) == (
        "points.expiring",
        f"expiring:{STORE}:cust_1:2026-03-20:3",
    )
    assert content(reminder) == {
        "store_id": STORE,
        "customer_id": "cust_1",
        "points": 50,
        "expires_on": "2026-03-20",
        "expires_at": "2026-03-21T00:00:00.000Z",
        "days_left": 3,
        "balance": 50,
        "occurred_at": "2026-03-17T00:00:00.000Z",
    }
    assert content(earned_more)["lots"] == [{"points": 7, "expires_on": "2026-03-28"}]
    assert not content(earned).keys() & {"pending", "covered", "available_at"}


def test_a_row_of_the_previous_version_is_read() -> None:
    """It has neither reminders nor the last fields of an entry."""
    ledger = books()
    ledger.post(award(1))
    entry = astuple(ledger.entries[0])[:16]
    row = [ledger.customers, ledger.program_ids, [entry], ledger.tiers, [], []]
    payload = b"\x01" + outbox.compress(msgspec.msgpack.encode(row))
    (event, *_) = unpack(payload)
    assert event == unpack(pack(ledger))[0]
