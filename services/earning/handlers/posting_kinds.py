"""The kinds of postings: the rule of each command, and what the kind reads and writes in addition to
accounts and entries."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from msgspec import Struct

from libs.persistence.engine import Connection
from services.earning.domain import (
    account_status,
    adjustments,
    awards,
    debits,
    due,
    fulfillments,
    orders,
    refunds,
    releases,
    resolutions,
)
from services.earning.domain.batch import LedgerBatch
from services.earning.domain.order_records import Order, Recheck
from services.earning.domain.postings import Outcome, Posting
from services.earning.store import account_status as account_status_store
from services.earning.store import debits as debits_store
from services.earning.store import fulfillments as fulfillments_store
from services.earning.store import manual_entries as manual_entries_store
from services.earning.store import order_records as orders_store
from services.earning.store import refund_records as refunds_store
from services.earning.store import resolutions as resolutions_store

Rule = Callable[[LedgerBatch, Any], Outcome]


class Kind(Struct, frozen=True):
    """A kind of posting.

    `rules` has its commands, each with its rule. `load` reads what the rules need, given the batch and
    its postings of this kind; it is also called without any, for the records that other kinds require
    of it (`LedgerBatch.required`). `save` writes the records that the batch changed.
    """

    rules: Mapping[type[Posting], Rule]
    load: Callable[[Connection, LedgerBatch, Any], Awaitable[None]] | None = None
    save: Callable[[Connection, LedgerBatch], Awaitable[None]] | None = None


# In this order, the records of a batch are written, and with them its keys are locked. They are read in
# the opposite order, since a kind may require records of the kinds above it.
KINDS: Final = (
    Kind(
        {Order: orders.post_order, Recheck: orders.recheck_order},
        orders_store.load,
        orders_store.save,
    ),
    Kind({refunds.Refund: refunds.post_refund}, refunds_store.load, refunds_store.save),
    Kind(
        {
            fulfillments.Fulfillment: fulfillments.post_fulfillment,
            releases.Release: releases.release,
        },
        fulfillments_store.load,
        fulfillments_store.save,
    ),
    Kind(
        {
            debits.Debit: debits.debit,
            debits.Settlement: debits.settle,
            debits.Cancellation: debits.cancel,
        },
        debits_store.load,
        debits_store.save,
    ),
    Kind(
        {resolutions.Resolution: resolutions.resolve},
        resolutions_store.load,
        resolutions_store.save,
    ),
    Kind(
        {account_status.StatusChange: account_status.change_status},
        account_status_store.load,
        account_status_store.save,
    ),
    Kind(
        {
            awards.Award: awards.post_award,
            adjustments.Adjustment: adjustments.post_adjustment,
        },
        save=manual_entries_store.save,
    ),
    Kind({due.CatchUp: due.post_due}),
)

_RULES: Final[Mapping[type[Posting], Rule]] = {
    command: rule for kind in KINDS for command, rule in kind.rules.items()
}


def post(batch: LedgerBatch, posting: Posting) -> Outcome:
    """Apply `posting` by the rule of its kind, and return its outcome. Raises a WhaleError if the rule
    refuses it; then no balance has changed but by what was due before."""
    if posting.store_id in batch.timelines:
        return _post_in_time(batch, posting)
    return _RULES[type(posting)](batch, posting)


def _post_in_time(batch: LedgerBatch, posting: Posting) -> Outcome:
    """Apply `posting` to an account that is brought up to now before. What it adds may be due already."""
    account = batch.account(posting.store_id, posting.customer_id)
    state = batch.cycles.get(account.id)
    # After an earlier posting of the batch, nothing is due before this one.
    if state is None or state.caught_up is not state.timeline:
        due.catch_up(batch, account)
    outcome = _RULES[type(posting)](batch, posting)
    due.catch_up(batch, account)
    return outcome
