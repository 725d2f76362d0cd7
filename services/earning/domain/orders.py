"""Orders: counted once, held or skipped. docs/rules/award.md."""

from decimal import Decimal
from typing import Final

from libs.contracts.api import MAX_ORDER_POINTS, SkipReason, ZeroReason
from libs.kernel.errors import Conflict, Fault, InvalidRequest, NotFound
from services.earning.domain import order_awards, refunds
from services.earning.domain.accounts import Account, Entry
from services.earning.domain.batch import LedgerBatch
from services.earning.domain.lot_changes import Earn
from services.earning.domain.order_items import items_of
from services.earning.domain.order_records import Order, OrderRecord, OrderState, Recheck
from services.earning.domain.postings import Duplicate
from services.earning.domain.programs import Program

NO_ORDER: Final = "There is no such order in this store. To post an order that only dead letters name, replay them."


def post_order(batch: LedgerBatch, order: Order) -> OrderRecord | Duplicate:
    """Count the order once, hold it for a suspended account, or skip it if no program prices it.

    Raises Conflict for another order under the same id, and InvalidRequest for too many points.
    """
    account = batch.account(order.store_id, order.customer_id)
    recorded = batch.get(OrderRecord, order.key)
    if recorded is not None and recorded.state != "skipped":
        if recorded.is_same(order, account):
            return Duplicate()
        raise Conflict(
            f"The order {order.order_id} is already recorded with another customer, total, currency "
            "or program_id."
        )
    if account.suspended:
        return _record(batch, order, account, "held")
    return _count_or_skip(batch, order, account)


def _count_or_skip(batch: LedgerBatch, order: Order, account: Account) -> OrderRecord:
    choice = batch.program_for(order.store_id, order.program_id, order.currency)
    if not isinstance(choice, Program):
        return _record(batch, order, account, "skipped", skip_reason=choice)
    entry = _enter(batch, order, account, choice)
    record = _record(batch, order, account, "counted", entry=entry, program=choice)
    refunds.post_waiting_refunds(batch, record, account)
    return record


def _enter(batch: LedgerBatch, order: Order, account: Account, program: Program) -> Entry | None:
    tier = program.tier_at(account.lifetime)
    points = program.price(order.total, tier)
    if points > MAX_ORDER_POINTS:
        detail = (
            f"The order is worth {points:,} points; an order may earn at most {MAX_ORDER_POINTS:,}."
        )
        raise InvalidRequest(detail, errors=[Fault(detail=detail, pointer="#/total")])
    if points == 0:
        return None
    tier_name = None if tier is None else tier.name
    if program.pending is not None:
        return order_awards.enter(batch, order, account, program, points=points, tier=tier_name)
    return batch.enter(
        account,
        type_="earn",
        points=points,
        lifetime_change=points,
        reason=order.reason,
        occurred_at=order.occurred_at,
        program_version_id=program.version_id,
        tier=tier_name,
        order_id=order.order_id,
        change=Earn(order.occurred_at) if order.store_id in batch.timelines else None,
    )


def _record(
    batch: LedgerBatch,
    order: Order,
    account: Account,
    state: OrderState,
    *,
    skip_reason: SkipReason | None = None,
    entry: Entry | None = None,
    program: Program | None = None,
) -> OrderRecord:
    record = OrderRecord(
        order.store_id,
        order.order_id,
        account.id,
        order.total,
        order.currency,
        order.program_id,
        state,
        order.reason,
        order.occurred_at,
        skip_reason,
        0 if entry is None else order_awards.award_of(entry),
        None if entry is None else entry.sequence,
    )
    batch.put(record)
    # Which program will price an order that is not counted is not known yet.
    if (program or batch.programs(order.store_id)).keep_items:
        items = items_of(order)
        if items is not None:
            batch.put(items)
    if entry is None:
        batch.mark_for_write(account, order.occurred_at)
    return record


def zero_reason(total: Decimal) -> ZeroReason:
    """Why an order that counts earned no points: a program earns at every rate, so only the total can
    be the reason."""
    return "total_is_zero" if total == 0 else "below_one_point"


def outcome_of(record: OrderRecord) -> tuple[OrderState, str]:
    """The state of an order that was just posted, and the reason if it earned no points."""
    match record.state:
        case "counted":
            return "counted", "" if record.award else zero_reason(record.total)
        case "held":
            return "held", "account_suspended"
        case "skipped":
            return "skipped", record.skip_reason or ""


def post_held_order(batch: LedgerBatch, record: OrderRecord, account: Account) -> None:
    """Post a held order, with the program and the tier that apply now."""
    _post_recorded(batch, record, account)


def recheck_order(batch: LedgerBatch, recheck: Recheck) -> OrderRecord:
    """Post a skipped order as if it had just arrived; returns the order as it is then. An order that is
    skipped for the same reason again stays as it is, and so does one that is not skipped.

    Raises NotFound, and Conflict if the order is another customer's.
    """
    account = batch.account(recheck.store_id, recheck.customer_id)
    record = batch.get(OrderRecord, recheck.key)
    if record is None:
        raise NotFound(NO_ORDER)
    if not record.account_id == account.id:
        raise Conflict(
            f"The order {recheck.order_id} was sent with another customer meanwhile. Check it again."
        )
    if record.state != "skipped":
        return record
    if account.suspended:
        return _record(batch, _order_of(record, account), account, "held")
    if _skip_reason(batch, record) == record.skip_reason:
        return record
    return _post_recorded(batch, record, account)


def _skip_reason(batch: LedgerBatch, record: OrderRecord) -> SkipReason | None:
    """Why no program prices the order now, or None."""
    choice = batch.program_for(record.store_id, record.program_id, record.currency)
    return None if isinstance(choice, Program) else choice


def _post_recorded(batch: LedgerBatch, record: OrderRecord, account: Account) -> OrderRecord:
    """Post a held or skipped order, with the program and the tier that apply now."""
    order = _order_of(record, account)
    try:
        return _count_or_skip(batch, order, account)
    except (Conflict, InvalidRequest):
        # A retry would fail as well; recorded as skipped, the order is not lost.
        if record.skip_reason == "not_postable":
            return record
        return _record(batch, order, account, "skipped", skip_reason="not_postable")


def _order_of(record: OrderRecord, account: Account) -> Order:
    return Order(
        store_id=record.store_id,
        customer_id=account.customer_id,
        order_id=record.order_id,
        total=record.total,
        currency=record.currency,
        program_id=record.program_id,
        reason=record.reason,
        occurred_at=record.occurred_at,
    )
