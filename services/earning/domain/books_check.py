"""The books check: every entry must follow from the entry before it.

The fold is independent of the one that posts, so that a defect in one is found by the other.
"""

from collections import Counter
from typing import Any, Final

from msgspec import Struct

from services.earning.domain import cycles
from services.earning.domain.dates import to_day

_CHANGES_LIFETIME: Final = frozenset({"earn", "refund", "void"})


class Fold(Struct):
    """An account after the entries read so far."""

    account_id: int = 0
    sequence: int = 0
    balance: int = 0
    lifetime: int = 0
    pending: int = 0


def compare(fold: Fold, entry: Any) -> list[str]:
    """A sentence for each fault of `entry`, given the entries before it, in the order of accounts and
    sequences. The fold continues from the entry's own values, so that one fault is reported once."""
    if entry["account_id"] != fold.account_id:
        fold.account_id, fold.sequence, fold.balance, fold.lifetime = entry["account_id"], 0, 0, 0
        fold.pending = 0
    place = f"entry {entry['account_id']}/{entry['sequence']} (txn_{entry['id']})"
    faults = []
    if entry["sequence"] != fold.sequence + 1:
        faults.append(f"{place}: the entry before it has sequence {fold.sequence}")
    if entry["balance_after"] != fold.balance + entry["points"]:
        faults.append(
            f"{place}: {fold.balance} and {entry['points']} are {fold.balance + entry['points']}, not "
            f"balance_after {entry['balance_after']}"
        )
    # Points that had expired cost nothing, but they count in the lifetime.
    share = entry["points"] - (entry["covered"] or 0)
    change = share if entry["type"] in _CHANGES_LIFETIME else 0
    lifetime = max(fold.lifetime + change, 0)
    if entry["lifetime_after"] != lifetime:
        faults.append(f"{place}: lifetime_after is {entry['lifetime_after']}, not {lifetime}")
    if not (entry["points"] or entry["pending"] or entry["covered"]):
        faults.append(f"{place}: it changes nothing")
    fold.pending += entry["pending"] or 0
    if fold.pending < 0:
        faults.append(f"{place}: {-fold.pending} more points than were pending")
        fold.pending = 0
    fold.sequence = entry["sequence"]
    fold.balance = entry["balance_after"]
    fold.lifetime = entry["lifetime_after"]
    return faults


def compare_cycle(account: Any) -> list[str]:
    """A sentence for each way in which the cycle of an account contradicts its balance and status, the awards
    that wait, or its entries."""
    cycle = cycles.decode(account["cycle"])
    faults = []
    if (cycle.suspended_on is not None) != account["suspended"]:
        faults.append(f"account {account['id']}: its dates and its status differ on a suspension")
    waits = Counter(zip(map(to_day, account["days"] or ()), account["give_ups"] or (), strict=True))
    recorded = {(wait.day, wait.gives_up): wait.orders for wait in cycle.waits}
    if waits != recorded or (account["releases"] or []) != cycle.releases:
        faults.append(f"account {account['id']}: its points wait until other days than its awards")
    if cycle.lots.total != max(account["balance"], 0):
        faults.append(
            f"account {account['id']}: its lots have {cycle.lots.total} points, its balance is "
            f"{account['balance']}"
        )
    if not cycle.pending == account["waiting"] == account["pending"]:
        faults.append(
            f"account {account['id']}: {cycle.pending} points are pending; the awards that wait have "
            f"{account['waiting']}, and its entries say {account['pending']}"
        )
    return faults
