"""Orders: counted once, held or skipped. docs/rules/award.md."""

from libs.contracts.api import MAX_ORDER_POINTS
from libs.kernel.errors import Conflict, Fault, InvalidRequest
from services.earning.domain import refunds
from services.earning.domain.accounts import Account, Entry
from services.earning.domain.books import Books
from services.earning.domain.postings import Order, OrderRecord, OrderState, Repeated
from services.earning.domain.programs import Program, SkipReason


def post_order(books: Books, order: Order) -> OrderRecord | Repeated:
    account = books.account(order.store_id, order.customer_id)
    known = books.known.orders.get(order.key)
    if known is not None and known.state != "skipped":
        if known.is_same(order, account):
            return Repeated()
        raise Conflict(
            f"The order {order.order_id} is recorded with another customer, total, currency "
            "or program_id."
        )
    if account.suspended:
        return _record(books, order, account, "held")
    return _admit(books, order, account)


def _admit(books: Books, order: Order, account: Account) -> OrderRecord:
    """Count the order where a programme prices it, else record why none does."""
    program = books.programs(order.store_id).pricing(order.program_id, order.currency)
    if not isinstance(program, Program):
        return _record(books, order, account, "skipped", skip_reason=program)
    entry = _enter_order(books, order, account, program)
    record = _record(books, order, account, "counted", entry=entry)
    for waiting in books.known.waiting.pop(order.key, []):
        refunds.settle_waiting(books, waiting, record, account)
    return record


def _enter_order(books: Books, order: Order, account: Account, program: Program) -> Entry | None:
    tier = program.tier_at(account.lifetime)
    points = program.award(order.total, tier)
    if points > MAX_ORDER_POINTS:
        detail = f"The order is worth {points:,} points, over {MAX_ORDER_POINTS:,} for one award."
        raise InvalidRequest(detail, errors=[Fault(detail=detail, pointer="#/total")])
    if points == 0:
        return None
    return books.enter(
        account,
        type_="earn",
        points=points,
        lifetime_change=points,
        reason=order.reason,
        occurred_at=order.occurred_at,
        program=program,
        tier=tier,
        order_id=order.order_id,
    )


def _record(
    books: Books,
    order: Order,
    account: Account,
    state: OrderState,
    *,
    skip_reason: SkipReason | None = None,
    entry: Entry | None = None,
) -> OrderRecord:
    record = OrderRecord(
        store_id=order.store_id,
        order_id=order.order_id,
        account=account,
        account_id=account.id,
        total=order.total,
        currency=order.currency,
        program_id=order.program_id,
        state=state,
        reason=order.reason,
        occurred_at=order.occurred_at,
        skip_reason=skip_reason,
        award=0 if entry is None else entry.points,
        entry=entry,
    )
    key = order.key
    books.known.orders[key] = books.orders[key] = record
    if entry is None:
        books.touch(account, order.occurred_at)
    return record


def post_held(books: Books, record: OrderRecord, account: Account) -> None:
    """An order that was held is judged now, at the tier and by the programme of now."""
    order = Order(
        store_id=record.store_id,
        customer_id=account.customer_id,
        order_id=record.order_id,
        total=record.total,
        currency=record.currency,
        program_id=record.program_id,
        reason=record.reason,
        occurred_at=record.occurred_at,
    )
    try:
        _admit(books, order, account)
    except (Conflict, InvalidRequest):
        # It cannot be posted, whatever comes: listed among the skipped ones, not lost.
        _record(books, order, account, "skipped", skip_reason="not_postable")
