"""The status of an account: suspended, or active again with its held orders posted."""

from typing import Final

from msgspec import Struct

from libs.kernel.errors import NotFound
from services.earning.domain import due, orders
from services.earning.domain.accounts import Account, AccountKey
from services.earning.domain.batch import LedgerBatch
from services.earning.domain.order_records import OrderRecord
from services.earning.domain.postings import Posting

# The most held orders that one batch posts, so that no transaction grows without bound.
MAX_HELD_ORDERS: Final = 1_000


class StatusChange(Posting, frozen=True, kw_only=True, gc=False):
    """Suspend an account, or make it active again; `changed_by` is the key's name."""

    suspended: bool
    note: str | None
    changed_by: str


class StatusChangeRecord(Struct, frozen=True):
    """A change of an account's status, or a note on it, after the account's entry `sequence`."""

    account: Account
    change: StatusChange
    sequence: int


class HeldOrders(Struct):
    """The held orders of the account `key`, in the order of arrival: up to one more than a batch posts,
    so that the rule sees whether there are more."""

    key: AccountKey
    orders: list[OrderRecord]


class StatusChangeOutcome(Struct, frozen=True):
    """The account after a change of its status. If not `is_complete`, held orders are left to post:
    the account stays suspended until the change is posted again."""

    account: Account
    is_complete: bool


def change_status(batch: LedgerBatch, change: StatusChange) -> StatusChangeOutcome:
    """Suspend or reactivate the account. Held orders post first, MAX_HELD_ORDERS at a time: with
    more of them the account stays suspended, and the change has to be posted again.

    Raises NotFound.
    """
    account = batch.account(change.store_id, change.customer_id)
    if not account.exists:
        raise NotFound("There is no such customer in this store.")
    is_complete = True
    if account.suspended and not change.suspended:
        held = _take_held_orders(batch, account)
        is_complete = len(held) <= MAX_HELD_ORDERS
        for record in held[:MAX_HELD_ORDERS]:
            orders.post_held_order(batch, record, account)
        if is_complete:
            due.reinstate(batch, account)
    changed = account.suspended != change.suspended and is_complete
    if changed:
        account.suspended = change.suspended
        if account.suspended:
            due.suspend(batch, account)
    if is_complete and (changed or change.note is not None):
        batch.append(StatusChangeRecord(account, change, account.sequence))
    batch.mark_for_write(account)
    return StatusChangeOutcome(account, is_complete)


def _take_held_orders(batch: LedgerBatch, account: Account) -> list[OrderRecord]:
    """The account's held orders, each of which is posted once in the batch."""
    held = batch.get(HeldOrders, account.key)
    if held is None:
        return []
    orders_to_post, held.orders = held.orders, []
    return orders_to_post
