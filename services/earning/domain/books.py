"""The fold: postings, in order, over the accounts they touch.

A `Books` is what one batch knows: the accounts it locked, the programmes in force, the orders and
refunds already recorded. `post` applies one posting and answers what came of it, or raises the
refusal and changes nothing. What is to be written stands in `entries`, `orders`, `refunds`,
`status_changes`, `debits`, `resolutions`, `voids` and `touched` afterwards.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from msgspec import Struct, field

from libs.contracts.api import MAX_BALANCE, MAX_ORDER_POINTS
from libs.contracts.events import RewardRef, TransactionType
from libs.kernel.errors import (
    AccountSuspended,
    Conflict,
    Fault,
    InsufficientPoints,
    InvalidRequest,
    NotFound,
    ProgramInactive,
)
from services.earning.domain import redeeming, refunds, reviewing
from services.earning.domain.accounts import Account, AccountKey, Entry
from services.earning.domain.postings import (
    Adjustment,
    Award,
    AwardRecord,
    Cancellation,
    Debit,
    DebitRecord,
    Order,
    OrderKey,
    OrderRecord,
    OrderState,
    Outcome,
    Posting,
    Refund,
    RefundKey,
    RefundRecord,
    Repeated,
    Resolution,
    Resolved,
    Settlement,
    StatusChange,
    StatusChanged,
)
from services.earning.domain.programs import Program, SkipReason, StorePrograms, Tier

NO_PROGRAMS: Final = StorePrograms()
# Held orders that one change posts at most, so that no batch grows without bound.
HELD_AT_ONCE: Final = 1_000


class Known(Struct):
    """What is recorded already of what a batch touches: read under its locks."""

    accounts: dict[AccountKey, Account] = field(default_factory=dict)
    programs: Mapping[str, StorePrograms] = field(default_factory=dict)
    orders: dict[OrderKey, OrderRecord] = field(default_factory=dict)
    refunds: dict[RefundKey, RefundRecord] = field(default_factory=dict)
    # Refunds that wait for their orders, and held orders of accounts, each in order of arrival.
    waiting: dict[OrderKey, list[RefundRecord]] = field(default_factory=dict)
    held: dict[AccountKey, list[OrderRecord]] = field(default_factory=dict)
    # By the ids of redemptions, of resolved anomalies, and of transactions.
    debits: dict[str, DebitRecord] = field(default_factory=dict)
    resolutions: dict[str, Resolved] = field(default_factory=dict)
    awards: dict[str, AwardRecord] = field(default_factory=dict)


class Books:
    """The books of one batch; `new_id` draws entry ids in order."""

    def __init__(self, known: Known, *, new_id: Callable[[], str]) -> None:
        self.known = known
        self._new_id = new_id
        self.entries: list[Entry] = []
        self.orders: dict[OrderKey, OrderRecord] = {}
        # The keys of orders that were there before this batch: those it changes, not adds.
        self.recorded = {*known.orders, *(one.key for held in known.held.values() for one in held)}
        self.refunds: dict[RefundKey, RefundRecord] = {}
        self.status_changes: list[tuple[Account, StatusChange]] = []
        self.debits: dict[str, DebitRecord] = {}
        self.resolutions: dict[str, Resolved] = {}
        self.voids: list[tuple[AwardRecord, str]] = []
        self.touched: dict[AccountKey, Account] = {}

    def post(self, posting: Posting) -> Outcome:
        """Apply `posting`; raises a WhaleError where a rule refuses it, and then no
        balance changed."""
        rule = _RULES[type(posting)]
        return rule(self, posting)

    # -- orders: docs/rules/award.md

    def post_order(self, order: Order) -> Outcome:
        account = self.account(order.store_id, order.customer_id)
        known = self.known.orders.get(order.key)
        if known is not None and known.state != "skipped":
            if known.is_same(order, account):
                return Repeated()
            raise Conflict(
                f"The order {order.order_id} is recorded with another customer, total, currency "
                "or program_id."
            )
        if account.suspended:
            return self._record(order, account, "held")
        return self._admit(order, account)

    def _admit(self, order: Order, account: Account) -> OrderRecord:
        """Count the order where a programme prices it, else record why none does."""
        program = self.programs(order.store_id).pricing(order.program_id, order.currency)
        if not isinstance(program, Program):
            return self._record(order, account, "skipped", skip_reason=program)
        entry = self._enter_order(order, account, program)
        record = self._record(order, account, "counted", entry=entry)
        for waiting in self.known.waiting.pop(order.key, []):
            self._settle_waiting(waiting, record, account)
        return record

    def _enter_order(self, order: Order, account: Account, program: Program) -> Entry | None:
        tier = program.tier_at(account.lifetime)
        points = program.award(order.total, tier)
        if points > MAX_ORDER_POINTS:
            detail = (
                f"The order is worth {points:,} points, over {MAX_ORDER_POINTS:,} for one award."
            )
            raise InvalidRequest(detail, errors=[Fault(detail=detail, pointer="#/total")])
        if points == 0:
            return None
        return self.enter(
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
        self,
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
        self.known.orders[key] = self.orders[key] = record
        if entry is None:
            self.touch(account, order.occurred_at)
        return record

    # -- refunds: docs/rules/refund.md

    def post_refund(self, refund: Refund) -> Outcome:
        account = self.account(refund.store_id, refund.customer_id)
        known = self.known.refunds.get(refund.key)
        if known is not None:
            if known.is_same(refund, account):
                return Repeated()
            raise Conflict(
                f"The refund {refund.refund_id} of order {refund.order_id} is recorded with "
                "another amount or customer."
            )
        order = self.known.orders.get((refund.store_id, refund.order_id))
        if order is not None and order.state != "skipped" and not order.belongs_to(account):
            raise Conflict(f"The order {refund.order_id} is another customer's.")
        record = RefundRecord(
            store_id=refund.store_id,
            order_id=refund.order_id,
            refund_id=refund.refund_id,
            account=account,
            account_id=account.id,
            amount=refund.amount,
            state="waiting",
            occurred_at=refund.occurred_at,
        )
        if order is not None and order.state == "counted":
            self._count_refund(record, order, account)
        else:
            self.known.waiting.setdefault((refund.store_id, refund.order_id), []).append(record)
        self.known.refunds[refund.key] = self.refunds[refund.key] = record
        # Locked and written even where it waits: so its order cannot pass it by unseen.
        self.touch(account)
        return record

    def _settle_waiting(self, waiting: RefundRecord, order: OrderRecord, account: Account) -> None:
        """Count a refund that waited; one that contradicts its order is kept and told."""
        if not waiting.belongs_to(account):
            waiting.state = "conflict"
            waiting.detail = f"The order {order.order_id} is another customer's."
        else:
            try:
                self._count_refund(waiting, order, account)
            except Conflict as conflict:
                waiting.state, waiting.detail = "conflict", conflict.detail
        key = (waiting.store_id, waiting.order_id, waiting.refund_id)
        self.known.refunds[key] = self.refunds[key] = waiting

    def _count_refund(self, record: RefundRecord, order: OrderRecord, account: Account) -> None:
        money = refunds.money_of(order, record.amount)
        points = refunds.points_of(order, money)
        if points:
            record.entry = self.enter(
                account,
                type_="refund",
                points=-points,
                lifetime_change=-points,
                reason=f"Refund of {order.reason[0].lower()}{order.reason[1:]}",
                occurred_at=record.occurred_at,
                order_id=order.order_id,
            )
        record.state, record.points = "counted", points
        order.refunded += money
        order.refunded_points += points
        self.orders[order.store_id, order.order_id] = order

    # -- by hand

    def post_award(self, award: Award) -> Entry:
        account = self.account(award.store_id, award.customer_id)
        if self.programs(award.store_id).default is None:
            raise ProgramInactive(
                "The store has no active loyalty program, so nothing can be earned."
            )
        if account.suspended:
            raise AccountSuspended(f"The account of {award.customer_id} is suspended.")
        return self.enter(
            account,
            type_="earn",
            points=award.points,
            lifetime_change=award.points,
            reason=award.reason,
            occurred_at=award.occurred_at,
        )

    def post_adjustment(self, adjustment: Adjustment) -> Entry:
        account = self.account(adjustment.store_id, adjustment.customer_id)
        if adjustment.points < 0:
            if not account.exists:
                raise NotFound("There is no such customer in this store.")
            if account.balance + adjustment.points < 0:
                raise InsufficientPoints(balance=account.balance, required=-adjustment.points)
        return self.enter(
            account,
            type_="adjust",
            points=adjustment.points,
            lifetime_change=0,
            reason=adjustment.reason,
            occurred_at=adjustment.occurred_at,
        )

    def change_status(self, change: StatusChange) -> StatusChanged:
        account = self.account(change.store_id, change.customer_id)
        if not account.exists:
            raise NotFound("There is no such customer in this store.")
        more = False
        if account.suspended and not change.suspended:
            held = self.known.held.pop(account.key, [])
            more = len(held) > HELD_AT_ONCE
            for record in held[:HELD_AT_ONCE]:
                self._post_held(record, account)
        changed = account.suspended != change.suspended and not more
        if changed:
            account.suspended = change.suspended
        if changed or change.note is not None:
            self.status_changes.append((account, change))
        self.touch(account)
        return StatusChanged(account, more)

    def _post_held(self, record: OrderRecord, account: Account) -> None:
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
            self._admit(order, account)
        except (Conflict, InvalidRequest):
            # It cannot be posted, whatever comes: listed among the skipped ones, not lost.
            self._record(order, account, "skipped", skip_reason="not_postable")

    # -- what every posting shares

    def programs(self, store_id: str) -> StorePrograms:
        """The store's programmes in force."""
        return self.known.programs.get(store_id, NO_PROGRAMS)

    def account(self, store_id: str, customer_id: str) -> Account:
        """The customer's account, or an empty one that is kept only once something touches it."""
        account = self.known.accounts.get((store_id, customer_id))
        return account or Account(store_id=store_id, customer_id=customer_id)

    def touch(self, account: Account, occurred_at: datetime | None = None) -> None:
        """The account is to be written; its customer was there at `occurred_at`."""
        key = account.key
        self.known.accounts[key] = self.touched[key] = account
        if occurred_at is not None:
            account.seen_at(occurred_at)

    def enter(
        self,
        account: Account,
        *,
        type_: TransactionType,
        points: int,
        lifetime_change: int,
        reason: str,
        occurred_at: datetime,
        program: Program | None = None,
        tier: Tier | None = None,
        order_id: str | None = None,
        redemption_id: str | None = None,
        reward: RewardRef | None = None,
    ) -> Entry:
        """The next entry of `account`; raises Conflict for a balance over its bound."""
        balance = account.balance + points
        lifetime = max(account.lifetime + lifetime_change, 0)
        if not -MAX_BALANCE <= balance <= MAX_BALANCE or lifetime > MAX_BALANCE:
            raise Conflict(f"The balance would pass its bound of {MAX_BALANCE:,} points.")
        default = self.programs(account.store_id).default
        shown = account.tier
        if default is not None:
            held = default.tier_at(lifetime)
            shown = None if held is None else held.name
        entry = Entry(
            account=account,
            id=self._new_id(),
            sequence=account.sequence + 1,
            type=type_,
            points=points,
            balance_after=balance,
            lifetime_after=lifetime,
            reason=reason,
            occurred_at=occurred_at,
            program=program,
            tier=tier,
            default_program=None if default is None else default.id,
            tier_before=account.tier,
            tier_after=shown,
            order_id=order_id,
            redemption_id=redemption_id,
            reward=reward,
        )
        account.balance = balance
        account.lifetime = lifetime
        account.sequence = entry.sequence
        account.tier = shown
        self.entries.append(entry)
        self.touch(account, occurred_at)
        return entry


# What each kind of posting does, by its type.
_RULES: Final[dict[type, Callable[[Books, Any], Outcome]]] = {
    Order: Books.post_order,
    Refund: Books.post_refund,
    Award: Books.post_award,
    Adjustment: Books.post_adjustment,
    StatusChange: Books.change_status,
    Debit: redeeming.debit,
    Settlement: redeeming.settle,
    Cancellation: redeeming.cancel,
    Resolution: reviewing.resolve,
}
