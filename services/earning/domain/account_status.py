"""The status of an account: suspended, or active again with its held orders posted."""

from typing import Final

from libs.kernel.errors import NotFound
from services.earning.domain import orders
from services.earning.domain.books import Books
from services.earning.domain.postings import StatusChange, StatusChangeOutcome

# The most held orders that one batch posts, so that no transaction grows without bound.
MAX_HELD_ORDERS: Final = 1_000


def change_status(books: Books, change: StatusChange) -> StatusChangeOutcome:
    """Suspend or reactivate the account. Held orders post first, MAX_HELD_ORDERS at a time: with
    more of them the account stays suspended, and the change has to be posted again.

    Raises NotFound.
    """
    account = books.account(change.store_id, change.customer_id)
    if not account.exists:
        raise NotFound("There is no such customer in this store.")
    is_complete = True
    if account.suspended and not change.suspended:
        held = books.known.held_orders.pop(account.key, [])
        is_complete = len(held) <= MAX_HELD_ORDERS
        for record in held[:MAX_HELD_ORDERS]:
            orders.post_held_order(books, record, account)
    changed = account.suspended != change.suspended and is_complete
    if changed:
        account.suspended = change.suspended
    if changed or change.note is not None:
        books.status_changes.append((account, change))
    books.mark_for_write(account)
    return StatusChangeOutcome(account, is_complete)
