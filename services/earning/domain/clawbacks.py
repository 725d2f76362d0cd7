"""Clawbacks: what a refund or void takes of awards, from where the points of each are.

Pending points are taken first. The lifetime, which they have not raised, falls only for the others.
"""

from collections.abc import Sequence

from msgspec import Struct

from services.earning.domain import lot_changes
from services.earning.domain.account_cycles import AccountCycle, CycleChange, Note
from services.earning.domain.accounts import Account
from services.earning.domain.batch import LedgerBatch
from services.earning.domain.cycles import Mark
from services.earning.domain.due import set_window
from services.earning.domain.order_records import OrderRecord
from services.earning.domain.pending import split
from services.earning.domain.pending_awards import PendingAward


class AwardShare(Struct, frozen=True):
    """The points to take of one award: of an order, or of the manual award with that `mark`."""

    points: int
    order: OrderRecord | None = None
    mark: Mark | None = None


class Clawback(Struct, frozen=True):
    """The points that were available, and what taking all of them changes of the account's cycle."""

    available: int
    change: CycleChange | None = None


def remainder(batch: LedgerBatch, order: OrderRecord) -> int:
    """The points of the order's award that were neither refunded nor voided nor given up."""
    state = batch.cycles.get(order.account_id)
    award = None if state is None else state.awards.get(order.key)
    return order.remainder - (0 if award is None else award.given_up)


def claw_back(batch: LedgerBatch, account: Account, shares: Sequence[AwardShare]) -> Clawback:
    """The clawback of `shares`, which are in the order of posting."""
    state = batch.cycles.get(account.id)
    if state is None:
        return Clawback(sum(share.points for share in shares))
    pending: list[tuple[PendingAward, int]] = []
    available: list[tuple[int, Mark]] = []
    for share in shares:
        award = None if share.order is None else state.awards.get(share.order.key)
        waiting, others = split(share.points, 0 if award is None else award.points)
        if award is not None and waiting:
            pending.append((award, waiting))
        if others:
            available.append((others, share.mark or _mark(batch, share)))
    take_available = lot_changes.claw_back(available, pending=sum(part for _, part in pending))

    def change(state: AccountCycle, account: Account, points: int) -> Note:
        for award, part in pending:
            _take_pending(batch, state, award, part)
        return take_available(state, account, points)

    return Clawback(sum(part for part, _ in available), change)


def _mark(batch: LedgerBatch, share: AwardShare) -> Mark:
    assert share.order is not None
    return batch.mark_of(share.order.key)


def _take_pending(
    batch: LedgerBatch, state: AccountCycle, award: PendingAward, points: int
) -> None:
    award.points -= points
    if award.points == 0:
        set_window(state, award, None)
    batch.put(award)
