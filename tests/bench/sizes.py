"""How much each benchmark does: the full sizes, those of the check for regressions, and a trial."""

from typing import Final

from msgspec import Struct


class Sizes(Struct, frozen=True, kw_only=True):
    """The sizes of one run. A round is one measurement of ours and one of each limit; a warm-up round
    comes before the rounds, and is dropped."""

    name: str
    rounds: int
    # The backlog of orders, that of one process, and the manual awards in batches.
    orders: int
    single_orders: int
    awards: int
    # The accounts on which something is due.
    due_accounts: int
    # The backlog behind which another store's order waits.
    stalled: int
    # How long the clients of a request benchmark, and an open loop, send.
    load_seconds: float
    loop_seconds: int
    # The entries of a small and of a large ledger.
    small_ledger: int
    large_ledger: int
    # How deep a page of transactions is.
    page: int
    # How long a slow baseline runs in a round.
    baseline_seconds: float


FULL: Final = Sizes(
    name="full",
    rounds=5,
    orders=500_000,
    single_orders=100_000,
    awards=100_000,
    due_accounts=200_000,
    stalled=200_000,
    load_seconds=5,
    loop_seconds=12,
    small_ledger=1_000_000,
    large_ledger=10_000_000,
    page=500,
    baseline_seconds=20,
)
CHECK: Final = Sizes(
    name="check",
    rounds=3,
    orders=150_000,
    single_orders=60_000,
    awards=50_000,
    due_accounts=100_000,
    stalled=100_000,
    load_seconds=3,
    loop_seconds=8,
    small_ledger=100_000,
    large_ledger=1_000_000,
    page=100,
    baseline_seconds=10,
)
# Shows that a benchmark works. Its figures mean nothing.
TRIAL: Final = Sizes(
    name="trial",
    rounds=1,
    orders=60_000,
    single_orders=10_000,
    awards=5_000,
    due_accounts=40_000,
    stalled=20_000,
    load_seconds=1,
    loop_seconds=3,
    small_ledger=100_000,
    large_ledger=200_000,
    page=20,
    baseline_seconds=5,
)
SIZES: Final = {sizes.name: sizes for sizes in (FULL, CHECK, TRIAL)}
