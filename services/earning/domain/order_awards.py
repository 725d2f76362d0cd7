"""The award of an order whose program lets points wait: pending, or earned now.

docs/rules/pending.md.
"""

from datetime import datetime

from services.earning.domain import lot_changes
from services.earning.domain.accounts import Account, Entry
from services.earning.domain.batch import LedgerBatch
from services.earning.domain.due import set_window, start_cycle
from services.earning.domain.fulfillments import FulfillmentRecord
from services.earning.domain.order_records import Order
from services.earning.domain.pending import Window, open_window
from services.earning.domain.pending_awards import PendingAward
from services.earning.domain.programs import Program


def award_of(entry: Entry) -> int:
    """The award that an order's entry posts, available or pending."""
    return entry.points if entry.pending is None else entry.pending


def enter(
    batch: LedgerBatch,
    order: Order,
    account: Account,
    program: Program,
    *,
    points: int,
    tier: str | None,
) -> Entry:
    """Post the award, as `pend` if the wait is not over. A wait that was over without a fulfillment is given up
    right after."""
    state = start_cycle(batch, account)
    assert state is not None
    assert program.pending is not None
    zone = state.epoch.zone
    window = open_window(
        program.pending,
        completed_at=order.occurred_at,
        zone=zone,
        fulfilled_at=_fulfilled_at(batch, order, account),
    )
    if window.waits_for_fulfillment or window.is_open(state.timeline.now, zone):
        return _pend(batch, order, account, program, window, points=points, tier=tier)
    return batch.enter(
        account,
        type_="earn",
        points=points,
        lifetime_change=points,
        reason=order.reason,
        occurred_at=order.occurred_at,
        program_version_id=program.version_id,
        tier=tier,
        order_id=order.order_id,
        change=lot_changes.Earn(order.occurred_at, window.available_at(zone)),
    )


def _fulfilled_at(batch: LedgerBatch, order: Order, account: Account) -> datetime | None:
    """The time of the fulfillment that overtook the order; another customer's does not count."""
    fulfillment = batch.get(FulfillmentRecord, order.key)
    if fulfillment is None or fulfillment.account_id != account.id:
        return None
    return fulfillment.fulfilled_at


def _pend(
    batch: LedgerBatch,
    order: Order,
    account: Account,
    program: Program,
    window: Window,
    *,
    points: int,
    tier: str | None,
) -> Entry:
    state = batch.cycles[account.id]
    available_at = window.available_at(state.epoch.zone)
    entry = batch.enter(
        account,
        type_="pend",
        points=0,
        lifetime_change=0,
        reason=order.reason,
        occurred_at=order.occurred_at,
        program_version_id=program.version_id,
        tier=tier,
        order_id=order.order_id,
        change=lot_changes.pend(points, occurred_at=order.occurred_at, available_at=available_at),
    )
    award = PendingAward(
        key=order.key,
        account_id=account.id,
        sequence=entry.sequence,
        points=points,
        reason=order.reason,
        occurred_at=order.occurred_at,
        program_version_id=program.version_id,
        program=program.id,
        tier=tier,
        window=None,
        wait_on=None,
    )
    set_window(state, award, window)
    state.awards[award.key] = award
    batch.put(award)
    return entry
