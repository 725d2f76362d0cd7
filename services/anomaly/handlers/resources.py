"""What the use cases of anomaly depend on."""

from collections.abc import Callable

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.persistence.slow_reads import SlowReads
from services.anomaly.handlers.backtests import Backtests


class Resources(Struct, frozen=True):
    """`write_engine` is for changes of anomalies, `read_engine` for queries, and `slow_reads` for
    queries whose cost grows with a store's history. `backtests` run at `database_url`. `wake_relay` is
    called after a commit."""

    write_engine: AsyncEngine
    read_engine: AsyncEngine
    slow_reads: SlowReads
    backtests: Backtests
    database_url: str
    wake_relay: Callable[[], None]
