"""The books check: every entry must follow from the entry before it.

The fold is independent of the one that posts, so that a defect in one is found by the other.
"""

from typing import Any, Final

from msgspec import Struct

_CHANGES_LIFETIME: Final = frozenset({"earn", "refund", "void"})


class Fold(Struct):
    """An account after the entries read so far."""

    account_id: int = 0
    sequence: int = 0
    balance: int = 0
    lifetime: int = 0


def compare(fold: Fold, entry: Any) -> list[str]:
    """A sentence for each fault of `entry`, given the entries before it, in the order of accounts and
    sequences. The fold continues from the entry's own values, so that one fault is reported once."""
    if entry["account_id"] != fold.account_id:
        fold.account_id, fold.sequence, fold.balance, fold.lifetime = entry["account_id"], 0, 0, 0
    place = f"entry {entry['account_id']}/{entry['sequence']} (txn_{entry['id']})"
    faults = []
    if entry["sequence"] != fold.sequence + 1:
        faults.append(f"{place}: the entry before it has sequence {fold.sequence}")
    if entry["balance_after"] != fold.balance + entry["points"]:
        faults.append(
            f"{place}: {fold.balance} and {entry['points']} are {fold.balance + entry['points']}, not "
            f"balance_after {entry['balance_after']}"
        )
    change = entry["points"] if entry["type"] in _CHANGES_LIFETIME else 0
    lifetime = max(fold.lifetime + change, 0)
    if entry["lifetime_after"] != lifetime:
        faults.append(f"{place}: lifetime_after is {entry['lifetime_after']}, not {lifetime}")
    fold.sequence = entry["sequence"]
    fold.balance = entry["balance_after"]
    fold.lifetime = entry["lifetime_after"]
    return faults
