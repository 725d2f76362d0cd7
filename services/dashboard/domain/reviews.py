"""The review of an anomaly: the views of the queue, and what each decision does in numbers."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final, Literal

from msgspec import Struct

from whale_loyalty.models import Anomaly, CustomerStatus, Order, Transaction
from whale_loyalty.values import AnomalyOrder, AnomalyStatus, Resolution

Status = Literal["open", "approved", "voided", "suspended", "shadow"]
Sort = Literal["newest", "oldest", "points"]
Decision = Literal["approve", "void", "suspend"]

OPEN: Final[tuple[AnomalyStatus, ...]] = ("pending_review", "in_review")
# The views of the queue, and what each asks the API for. The detectors lead to the last one.
FILTERS: Final[Mapping[Status, Mapping[str, Any]]] = {
    "open": {"status": OPEN},
    "approved": {"resolution": "approved"},
    "voided": {"resolution": "voided"},
    "suspended": {"resolution": "suspended"},
    "shadow": {"mode": "shadow"},
}
TABS: Final[tuple[Status, ...]] = ("open", "approved", "voided", "suspended")
SORTS: Final[Mapping[Sort, AnomalyOrder]] = {
    "newest": "-flagged_at",
    "oldest": "flagged_at",
    "points": "-points_involved",
}
TYPES: Final = ("rapid_earning", "unusual_amount", "deviation")
RESOLUTIONS: Final[Mapping[Decision, Resolution]] = {
    "approve": "approved",
    "void": "voided",
    "suspend": "suspended",
}
# The API's limit of a note, and the decisions that say why.
NOTE_MAX_LENGTH: Final = 255
NOTE_REQUIRED: Final = frozenset({"void", "suspend"})


class Queue(Struct, frozen=True, kw_only=True):
    """A view of the queue, as its address names it; `done` counts the decisions made one after another."""

    status: Status = "open"
    type: str = ""
    customer: str = ""
    sort: Sort = "newest"
    after: str = ""
    done: int = 0

    @property
    def is_filtered(self) -> bool:
        return bool(self.type or self.customer)

    @property
    def is_shadow(self) -> bool:
        """Whether these are the findings of detectors in shadow, which nobody decides."""
        return self.status == "shadow"

    @property
    def tabs(self) -> tuple[Status, ...]:
        return (*TABS, "shadow") if self.is_shadow else TABS

    def address(self, **changes: object) -> dict[str, object]:
        """The parameters of the view's address, with changes; defaults are left out."""
        values: dict[str, object] = {
            "status": "" if self.status == "open" else self.status,
            "type": self.type,
            "customer": self.customer,
            "sort": "" if self.sort == "newest" else self.sort,
            "after": self.after,
            "done": self.done or "",
        }
        return values | changes


def queue_of(values: Mapping[str, str]) -> Queue:
    """The view that an address names; the default for what it does not know."""
    status = values.get("status", "")
    sort = values.get("sort", "")
    done = values.get("done", "")
    kind = values.get("type", "")
    return Queue(
        status=next((one for one in FILTERS if one == status), "open"),
        type=kind if kind in TYPES else "",
        customer=values.get("customer", "").strip(),
        sort=next((one for one in SORTS if one == sort), "newest"),
        after=values.get("after", ""),
        done=int(done) if done.isdecimal() and len(done) < 6 else 0,
    )


# What the sentences about each type's evidence name.
_EVIDENCE: Final[Mapping[str, frozenset[str]]] = {
    "rapid_earning": frozenset({"count", "window_seconds"}),
    "unusual_amount": frozenset({"points", "median", "history", "baseline", "times", "factor"}),
    "deviation": frozenset({"date", "points", "median", "days", "score", "threshold"}),
}


def is_explained(anomaly: Anomaly) -> bool:
    """Whether the evidence has all the numbers of its type's sentence. A type that is newer than this
    version, or has other evidence, shows its description alone."""
    return anomaly.type in _EVIDENCE and _EVIDENCE[anomaly.type] <= anomaly.evidence.keys()


def next_after(queue: Sequence[Anomaly], anomaly_id: str) -> str:
    """The id of the anomaly that comes after this one on the page, else of the first other one; empty
    without any."""
    ids = [one.id for one in queue]
    position = ids.index(anomaly_id) + 1 if anomaly_id in ids else 0
    return next((one for one in [*ids[position:], *ids[:position]] if one != anomaly_id), "")


class Share(Struct, frozen=True, kw_only=True):
    """What a void would take of an award of so many points: all that is `remaining`, of which `pending` wait. The
    last day of the others was `expires_on` when they became available, None if that is not known."""

    award: int
    remaining: int
    pending: int = 0
    expires_on: date | None = None


def share_of(transaction: Transaction, orders: Mapping[str, Order]) -> Share | None:
    """The share of an award in question. Points that had to wait may have been released, clawed back or given
    up since: their order says so. None for an order that is not among `orders`, by their ids."""
    if transaction.type != "pend":
        remaining = transaction.points - (transaction.clawed_back or 0)
        last_days = [lot.expires_on for lot in transaction.lots or () if lot.expires_on]
        return Share(
            award=transaction.points, remaining=remaining, expires_on=min(last_days, default=None)
        )
    order = orders.get(transaction.order_id or "")
    if order is None:
        return None
    if order.pending or order.transaction_id == transaction.id:
        # The points were not released: what does not wait is clawed back or given up.
        return Share(award=order.award, remaining=order.pending, pending=order.pending)
    remaining = order.award - order.clawed_back
    return Share(award=order.award, remaining=remaining, expires_on=order.expires_on)


class Effect(Struct, frozen=True, kw_only=True):
    """What a void would do: `removed` points of the `involved`, the rest being clawed back or given up
    already. `pending` of them wait, so that neither the balance nor the lifetime has them. If some
    `may_have_expired`, the balance falls by less: the API does not say by how much."""

    involved: int
    removed: int
    pending: int
    balance: int
    balance_after: int
    lifetime: int
    lifetime_after: int
    may_have_expired: bool = False

    @property
    def already_removed(self) -> int:
        return self.involved - self.removed

    @property
    def is_below_zero(self) -> bool:
        return self.balance_after < min(self.balance, 0)


def effect_of(
    shares: Sequence[Share | None], customer: CustomerStatus, today: date
) -> Effect | None:
    """The effect of a void on the customer. Nothing is taken twice: what refunds and other voids took of
    a transaction stays as it is. None if not all shares are known."""
    known = [share for share in shares if share is not None]
    if len(known) < len(shares):
        return None
    removed = sum(share.remaining for share in known)
    pending = sum(share.pending for share in known)
    available = removed - pending
    return Effect(
        involved=sum(share.award for share in known),
        removed=removed,
        pending=pending,
        balance=customer.points_balance,
        balance_after=customer.points_balance - available,
        lifetime=customer.lifetime_points,
        lifetime_after=max(customer.lifetime_points - available, 0),
        may_have_expired=any(
            share.remaining > share.pending
            and share.expires_on is not None
            and share.expires_on < today
            for share in known
        ),
    )
