"""The fold: postings, in order, over the accounts they touch.

A `Books` is what one batch knows: the accounts it locked, the programmes in force, the orders
already recorded. `post` applies one posting and answers what came of it, or raises the refusal and
changes nothing. What is to be written stands in `entries`, `orders` and `touched` afterwards.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from libs.contracts.api import MAX_BALANCE, MAX_ORDER_POINTS
from libs.contracts.events import TransactionType
from libs.kernel.errors import AccountSuspended, Conflict, Fault, InvalidRequest, ProgramInactive
from services.earning.domain.accounts import Account, AccountKey, Entry
from services.earning.domain.postings import (
    Award,
    Order,
    OrderRecord,
    OrderState,
    Outcome,
    Posting,
    Repeated,
)
from services.earning.domain.programs import Program, SkipReason, StorePrograms, Tier

NO_PROGRAMS: Final = StorePrograms()

OrderKey = tuple[str, str]


class Books:
    """The accounts, programmes and orders of one batch; `new_id` draws entry ids in order."""

    def __init__(
        self,
        *,
        accounts: dict[AccountKey, Account],
        programs: dict[str, StorePrograms],
        orders: dict[OrderKey, OrderRecord],
        new_id: Callable[[], str],
    ) -> None:
        self._accounts = accounts
        self._programs = programs
        self._known_orders = orders
        self._new_id = new_id
        self.entries: list[Entry] = []
        self.orders: dict[OrderKey, OrderRecord] = {}
        self.touched: dict[AccountKey, Account] = {}

    def post(self, posting: Posting) -> Outcome:
        """Apply `posting`; raises a WhaleError where a rule refuses it, and then nothing changed."""
        if isinstance(posting, Order):
            return self._post_order(posting)
        return self._post_award(posting)

    # -- orders: docs/rules/award.md

    def _post_order(self, order: Order) -> Outcome:
        key = (order.store_id, order.order_id)
        account = self._account(order.store_id, order.customer_id, order.occurred_at)
        known = self._known_orders.get(key)
        if known is not None and known.state != "skipped":
            if known.is_same(order, account):
                return Repeated()
            raise Conflict(
                f"The order {order.order_id} is recorded with another customer, total, currency "
                "or program_id."
            )
        if account.suspended:
            return self._record(order, account, "held")
        program = self._programs.get(order.store_id, NO_PROGRAMS).pricing(
            order.program_id, order.currency
        )
        if not isinstance(program, Program):
            return self._record(order, account, "skipped", skip_reason=program)
        return self._count(order, account, program)

    def _count(self, order: Order, account: Account, program: Program) -> OrderRecord:
        tier = program.tier_at(account.lifetime)
        points = program.award(order.total, tier)
        if points > MAX_ORDER_POINTS:
            detail = (
                f"The order is worth {points:,} points, over {MAX_ORDER_POINTS:,} for one award."
            )
            raise InvalidRequest(detail, errors=[Fault(detail=detail, pointer="#/total")])
        if points == 0:
            return self._record(order, account, "counted")
        entry = self._enter(
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
        return self._record(order, account, "counted", entry=entry)

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
        key = (order.store_id, order.order_id)
        self._known_orders[key] = self.orders[key] = record
        self._touch(account, order.occurred_at)
        return record

    # -- awards by hand

    def _post_award(self, award: Award) -> Entry:
        account = self._account(award.store_id, award.customer_id, award.occurred_at)
        program = self._programs.get(award.store_id, NO_PROGRAMS).default
        if program is None:
            raise ProgramInactive(
                "The store has no active loyalty program, so nothing can be earned."
            )
        if account.suspended:
            raise AccountSuspended(f"The account of {award.customer_id} is suspended.")
        return self._enter(
            account,
            type_="earn",
            points=award.points,
            lifetime_change=award.points,
            reason=award.reason,
            occurred_at=award.occurred_at,
        )

    # -- what every posting shares

    def _account(self, store_id: str, customer_id: str, occurred_at: datetime) -> Account:
        """The customer's account, or an empty one that exists only once something is recorded."""
        account = self._accounts.get((store_id, customer_id))
        if account is None:
            account = Account(store_id=store_id, customer_id=customer_id, member_since=occurred_at)
        return account

    def _touch(self, account: Account, occurred_at: datetime) -> None:
        key = account.key
        self._accounts[key] = self.touched[key] = account
        account.seen_at(occurred_at)

    def _enter(
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
    ) -> Entry:
        balance = account.balance + points
        lifetime = max(account.lifetime + lifetime_change, 0)
        if not -MAX_BALANCE <= balance <= MAX_BALANCE or lifetime > MAX_BALANCE:
            raise Conflict(f"The balance would pass its bound of {MAX_BALANCE:,} points.")
        default = self._programs.get(account.store_id, NO_PROGRAMS).default
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
        )
        account.balance = balance
        account.lifetime = lifetime
        account.sequence = entry.sequence
        account.tier = shown
        self.entries.append(entry)
        self._touch(account, occurred_at)
        return entry
