"""`python -m tests.bench [name …]`: measure, print a line each, and keep the table."""

import asyncio
import sys
from pathlib import Path

from tests.bench import anomaly, earning, fairness, redemption
from tests.bench.harness import Outcome, write_table
from tests.bench.servers import servers

BENCHMARKS = {
    "p1": earning.p1_backlog,
    "p3": earning.p3_latency,
    "p4": earning.p4_hot_customer,
    "fairness": fairness.fairness,
    "earn": earning.manual_earn,
    "redeem": redemption.redeem_spread,
    "redeem-hot-customer": redemption.redeem_hot_customer,
    "redeem-hot-reward": redemption.redeem_hot_reward,
    "rewards": redemption.rewards_list,
    "anomaly": anomaly.detection,
}
PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"


def main(names: list[str]) -> int:
    """Run the named benchmarks, or all; exit code 1 where a goal is missed."""
    unknown = set(names) - set(BENCHMARKS)
    if unknown:
        print(f"There is no benchmark {', '.join(unknown)}: choose of {', '.join(BENCHMARKS)}")
        return 2
    outcomes: list[Outcome] = []
    for name in names or BENCHMARKS:
        with servers() as stack:
            results = asyncio.run(BENCHMARKS[name](stack))
        for one in results:
            print(one.line(), flush=True)
        outcomes += results
        write_table(PAGE, results)
    return 0 if all(one.met for one in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
