"""A store in a few lines, written independently of the system's rules."""

from dataclasses import dataclass, field
from fractions import Fraction
from math import floor

TIERS = [("Bronze", 0, Fraction(1)), ("Silver", 500, Fraction(3, 2)), ("Gold", 2_000, Fraction(2))]


@dataclass
class Customer:
    balance: int = 0
    lifetime: int = 0
    suspended: bool = False
    known: bool = False

    def change(self, points: int, lifetime: int) -> None:
        self.balance += points
        self.lifetime = max(self.lifetime + lifetime, 0)
        self.known = True

    @property
    def tier(self) -> tuple[str, int, Fraction]:
        return [tier for tier in TIERS if tier[1] <= self.lifetime][-1]


@dataclass
class Order:
    customer: str
    total: Fraction
    award: int = 0
    held: bool = False
    refunded: Fraction = Fraction(0)
    clawed_back: int = 0


@dataclass
class Reward:
    cost: int
    stock: int | None
    limit: int | None
    min_tier: str | None


@dataclass
class Redemption:
    customer: str
    reward: str
    points: int
    status: str = "confirmed"


@dataclass
class Store:
    rate: Fraction
    customers: dict[str, Customer] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    rewards: dict[str, Reward] = field(default_factory=dict)
    redemptions: dict[str, Redemption] = field(default_factory=dict)

    def customer(self, name: str) -> Customer:
        return self.customers.setdefault(name, Customer())

    def order(self, order_id: str, name: str, total: Fraction) -> None:
        order = self.orders[order_id] = Order(name, total)
        self.customer(name).known = True
        if self.customer(name).suspended:
            order.held = True
        else:
            self._count(order)

    def _count(self, order: Order) -> None:
        customer = self.customer(order.customer)
        order.held = False
        order.award = floor(order.total * self.rate * customer.tier[2])
        customer.change(order.award, order.award)

    def remaining(self, order_id: str) -> Fraction:
        return self.orders[order_id].total - self.orders[order_id].refunded

    def refund(self, order_id: str, amount: Fraction) -> None:
        order = self.orders[order_id]
        order.refunded += amount
        whole = order.refunded == order.total
        in_total = order.award if whole else floor(order.award * order.refunded / order.total)
        self.customer(order.customer).change(
            order.clawed_back - in_total, order.clawed_back - in_total
        )
        order.clawed_back = in_total

    def earn(self, name: str, points: int) -> str:
        if self.customer(name).suspended:
            return "account_suspended"
        self.customer(name).change(points, points)
        return "done"

    def adjust(self, name: str, points: int) -> str:
        customer = self.customer(name)
        if points < 0 and not customer.known:
            return "not_found"
        if points < 0 and customer.balance + points < 0:
            return "insufficient_points"
        customer.change(points, 0)
        return "done"

    def suspend(self, name: str, *, suspended: bool) -> None:
        self.customer(name).suspended = suspended
        if not suspended:
            for order in self.orders.values():
                if order.customer == name and order.held:
                    self._count(order)

    def in_use(self, reward_id: str, name: str | None = None) -> int:
        return sum(
            one.reward == reward_id and one.status != "cancelled" and name in {None, one.customer}
            for one in self.redemptions.values()
        )

    def refusal(self, name: str, reward_id: str) -> str | None:
        reward, customer = self.rewards[reward_id], self.customer(name)
        if reward.limit is not None and self.in_use(reward_id, name) >= reward.limit:
            return "limit_reached"
        if reward.stock is not None and self.in_use(reward_id) >= reward.stock:
            return "out_of_stock"
        if customer.suspended:
            return "account_suspended"
        needed = {tier: points for tier, points, _ in TIERS}
        if reward.min_tier is not None and not (
            customer.known and customer.lifetime >= needed[reward.min_tier]
        ):
            return "tier_required"
        return "insufficient_points" if customer.balance < reward.cost else None

    def redeem(self, redemption_id: str, name: str, reward_id: str) -> None:
        cost = self.rewards[reward_id].cost
        self.redemptions[redemption_id] = Redemption(name, reward_id, cost)
        self.customer(name).change(-cost, 0)

    def cancel(self, redemption_id: str) -> str:
        redemption = self.redemptions[redemption_id]
        if redemption.status == "used":
            return "conflict"
        if redemption.status == "confirmed":
            redemption.status = "cancelled"
            self.customer(redemption.customer).change(redemption.points, 0)
        return "done"

    def use(self, redemption_id: str) -> str:
        redemption = self.redemptions[redemption_id]
        if redemption.status == "cancelled":
            return "conflict"
        redemption.status = "used"
        return "done"
