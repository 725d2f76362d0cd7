"""What time brings to an account of a batch: expirations, reminders, and the ends of waits.

Every posting first posts what is due on its account, in the order of the instants, and so does the sweeper.
"""

import contextlib
from datetime import datetime
from typing import Final

from msgspec import Struct

from libs.kernel.errors import Conflict
from services.earning.domain import catching_up, cycles, lot_changes
from services.earning.domain.account_cycles import AccountCycle
from services.earning.domain.accounts import Account, Entry
from services.earning.domain.batch import LedgerBatch
from services.earning.domain.catching_up import Expiration, just_before
from services.earning.domain.dates import to_date
from services.earning.domain.pending import Window
from services.earning.domain.pending_awards import PendingAward
from services.earning.domain.postings import Posting

NOT_FULFILLED: Final = "Not fulfilled"


class CatchUp(Posting, frozen=True, gc=False):
    """Post what is due on the account, and nothing else."""


class CaughtUp(Struct, frozen=True):
    """What was due is posted."""


def start_cycle(batch: LedgerBatch, account: Account) -> AccountCycle | None:
    """The account's cycle, which is started and brought up to now if it has none; None in a store without a
    timeline."""
    state = batch.cycles.get(account.id)
    timeline = batch.timelines.get(account.store_id)
    if state is not None or timeline is None:
        return state
    cycle = cycles.start(
        timeline.epochs,
        balance=account.balance,
        sequence=account.sequence,
        is_suspended=account.suspended,
    )
    state = batch.cycles[account.id] = AccountCycle(cycle, timeline)
    catch_up(batch, account)
    return state


def post_due(batch: LedgerBatch, posting: CatchUp) -> CaughtUp:
    """Post nothing: what is due is posted before every posting. The cycle is written also if only the settings
    have changed, and with it when something is due."""
    account = batch.account(posting.store_id, posting.customer_id)
    state = batch.cycles.get(account.id)
    if state is not None and account.exists:
        state.must_write = True
    return CaughtUp()


def catch_up(batch: LedgerBatch, account: Account) -> None:
    """Post what is due on the account by now. Starts its cycle if points of the store may expire."""
    state = batch.cycles.get(account.id)
    if state is None:
        timeline = batch.timelines.get(account.store_id)
        if timeline is not None and timeline.has_expiry:
            start_cycle(batch, account)
        return
    if not state.is_up_to_date:
        for award, at in _due_awards(state):
            if award.gives_up or not state.is_suspended:
                _advance(batch, account, state, to=just_before(at))
                _end_wait(batch, account, award, at)
        _advance(batch, account, state, to=state.timeline.now)
    state.caught_up = state.timeline


def suspend(batch: LedgerBatch, account: Account) -> None:
    """Pause what time changes of the account, but for points that are given up."""
    state = batch.cycles.get(account.id)
    if state is not None:
        catching_up.suspend(state.cycle, today=state.today)


def reinstate(batch: LedgerBatch, account: Account) -> None:
    """Go on after the held orders were posted: the releases that waited are posted, and then every date that
    has passed moves."""
    state = batch.cycles.get(account.id)
    if state is None:
        return
    for award, at in _due_awards(state):
        _end_wait(batch, account, award, at)
    catching_up.reinstate(state.cycle, state.epoch, today=state.today, sequence=account.sequence)


def _due_awards(state: AccountCycle) -> list[tuple[PendingAward, datetime]]:
    """The awards whose wait is over, each with the instant, in the order of the instants."""
    if not state.may_have_due_awards:
        return []
    due = [
        (award, _due_at(state, award.window))
        for award in state.awards.values()
        if award.window is not None
    ]
    return sorted(
        ((award, at) for award, at in due if at <= state.timeline.now),
        key=lambda pair: (pair[1], pair[0].sequence),
    )


def _due_at(state: AccountCycle, window: Window) -> datetime:
    """When the wait ends: in the zone in force then, which may have changed since the account's last posting. A day
    that has ended in a new zone already ends with the change."""
    epoch, *later = state.timeline.epochs[state.cycle.epoch :]
    at = window.due(epoch.zone).at
    for epoch in later:
        if at <= epoch.at:
            break
        at = max(window.due(epoch.zone).at, epoch.at)
    return at


def _advance(batch: LedgerBatch, account: Account, state: AccountCycle, *, to: datetime) -> None:
    changes = catching_up.advance(
        state.cycle,
        state.timeline.epochs,
        to=to,
        now=state.timeline.now,
        sequence=account.sequence,
    )
    for change in changes:
        state.must_write = True
        if isinstance(change, Expiration):
            batch.enter(
                account,
                type_="expire",
                points=-change.points,
                lifetime_change=0,
                reason=f"Expired on {to_date(change.day).isoformat()}",
                occurred_at=change.at,
                change=lot_changes.expire(change.parts),
            )
        else:
            batch.remind(account, change)


def _end_wait(batch: LedgerBatch, account: Account, award: PendingAward, at: datetime) -> None:
    """Post that the pending award is released, or given up, at `at`. If the balance would exceed its
    bound, the points go on waiting."""
    if award.gives_up:
        _give_up(batch, account, award, at)
    else:
        with contextlib.suppress(Conflict):
            release(batch, account, award, at)


def release(batch: LedgerBatch, account: Account, award: PendingAward, at: datetime) -> Entry:
    """Post the release of a pending award, whatever it waits for. Raises Conflict if the balance would exceed
    its bound."""
    entry = batch.enter(
        account,
        type_="earn",
        points=award.points,
        lifetime_change=award.points,
        reason=award.reason,
        occurred_at=award.occurred_at,
        program_version_id=award.program_version_id,
        tier=award.tier,
        order_id=award.key[1],
        change=lot_changes.release(award, available_at=at),
    )
    batch.note_release(award, entry)
    award.points, award.earn_sequence = 0, entry.sequence
    set_window(batch.cycles[account.id], award, None)
    batch.put(award)
    return entry


def _give_up(batch: LedgerBatch, account: Account, award: PendingAward, at: datetime) -> None:
    batch.enter(
        account,
        type_="expire",
        points=0,
        lifetime_change=0,
        reason=NOT_FULFILLED,
        occurred_at=at,
        order_id=award.key[1],
        change=lot_changes.give_up(award.points),
    )
    award.given_up += award.points
    award.points = 0
    set_window(batch.cycles[account.id], award, None)
    batch.put(award)


def set_window(state: AccountCycle, award: PendingAward, window: Window | None) -> None:
    """Give the award another window, or none, and count its wait accordingly."""
    if award.wait_on is not None:
        state.cycle.remove_wait(award.wait_on, gives_up=award.gives_up, at=award.release_at)
    award.window = window
    award.wait_on = None if window is None else window.wait_on(state.epoch.zone)
    if award.wait_on is not None:
        state.cycle.add_wait(award.wait_on, gives_up=award.gives_up, at=award.release_at)
