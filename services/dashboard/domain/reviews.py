"""The review of an anomaly: the views of the queue, and what each decision does in numbers."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from msgspec import Struct

from whale_loyalty.models import Anomaly, CustomerStatus, Transaction
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


class Effect(Struct, frozen=True, kw_only=True):
    """What a void would do: `removed` points of the `involved`, the rest being clawed back already."""

    involved: int
    clawed_back: int
    removed: int
    balance: int
    balance_after: int
    lifetime: int
    lifetime_after: int

    @property
    def is_below_zero(self) -> bool:
        return self.balance_after < 0


def effect_of(transactions: Sequence[Transaction], customer: CustomerStatus) -> Effect | None:
    """The effect of a void on the customer. Nothing is taken twice: what refunds and other voids took of
    a transaction stays as it is. None for points that had to wait, of which it is not known how many
    still do: a void takes those from what is pending, and the others from the balance."""
    if any(one.type == "pend" for one in transactions):
        return None
    involved = sum(one.points for one in transactions)
    clawed_back = sum(one.clawed_back or 0 for one in transactions)
    removed = involved - clawed_back
    return Effect(
        involved=involved,
        clawed_back=clawed_back,
        removed=removed,
        balance=customer.points_balance,
        balance_after=customer.points_balance - removed,
        lifetime=customer.lifetime_points,
        lifetime_after=customer.lifetime_points - removed,
    )
