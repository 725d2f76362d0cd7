"""What all kinds of postings share: a posting is a command of the ledger and has an outcome."""

from collections.abc import Hashable
from typing import Protocol, TypeAlias

from msgspec import Struct


class Posting(Struct, frozen=True, gc=False):
    """A command for one customer's account. Each kind has a subclass in the module of its noun."""

    store_id: str
    customer_id: str


# What became of a posting that was not refused: an entry, a record, or a struct of the kind's own.
Outcome: TypeAlias = Struct


class Duplicate(Struct, frozen=True):
    """The posting is already recorded; nothing was posted."""


class Record(Protocol):
    """State that the ledger keeps of a kind of posting, under a key that is unique in the kind."""

    @property
    def key(self) -> Hashable: ...
