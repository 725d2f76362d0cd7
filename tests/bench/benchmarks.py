"""All benchmarks by name, with their time limits."""

from collections.abc import Awaitable, Callable
from typing import Final

from msgspec import Struct

from tests.bench import (
    anomaly,
    awards,
    baselines,
    earning,
    expiry,
    fairness,
    large_ledger,
    memory,
    reads,
    redemption,
    scale_out,
)
from tests.bench.bench import Bench
from tests.bench.outcome import Outcome


class Benchmark(Struct, frozen=True):
    """A benchmark, and the minutes after which it is ended."""

    run: Callable[[Bench], Awaitable[list[Outcome]]]
    minutes: int


# `make bench` runs these, and `make bench-check` with smaller sizes.
QUICK: Final = {
    "p1": Benchmark(earning.p1_backlog, 15),
    "p1r": Benchmark(earning.p1r_relay, 20),
    "p3": Benchmark(earning.p3_latency, 10),
    "p4": Benchmark(earning.p4_hot_customer, 10),
    "expiry": Benchmark(expiry.p1_with_expiry, 15),
    "expiry-hot-customer": Benchmark(expiry.p4_with_expiry, 10),
    "sweeper": Benchmark(expiry.sweeper, 10),
    "p5": Benchmark(redemption.p5_redeem, 10),
    "p12": Benchmark(anomaly.p12_detection, 30),
    "p17": Benchmark(awards.p17_batches, 15),
    "earn": Benchmark(awards.manual_earn, 10),
    "fairness": Benchmark(fairness.fairness, 10),
    "redeem-hot-customer": Benchmark(redemption.redeem_hot_customer, 10),
    "redeem-hot-reward": Benchmark(redemption.redeem_hot_reward, 10),
    "rewards": Benchmark(redemption.rewards_list, 10),
}
# `make bench-large` runs these: large ledgers, slow baselines.
LARGE: Final = {
    "p7": Benchmark(reads.p7_status, 40),
    "p9": Benchmark(large_ledger.p9_large_ledger, 60),
    "p13": Benchmark(baselines.p13_one_per_order, 30),
    "p15": Benchmark(memory.p15_memory, 60),
    "p16": Benchmark(reads.p16_deep_page, 30),
    "books-check": Benchmark(earning.p1_during_the_books_check, 15),
    "scale-out": Benchmark(scale_out.scale_out, 30),
}
ALL: Final = QUICK | LARGE
