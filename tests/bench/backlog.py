"""A backlog of orders worked off: the rate, and the CPU time per order."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Final

import asyncpg
from msgspec import Struct

from tests.bench.bench import Bench
from tests.bench.cpu import Cpu, Meter
from tests.bench.databases import tidy
from tests.bench.figures import Figure
from tests.bench.orders import CUSTOMERS, publish_backlog
from tests.bench.servers import Lag, process

_POLL_SECONDS = 0.1
# What a process of earning does that only posts orders.
CONSUMERS: Final = ("consumers",)


class Moment(Struct, frozen=True):
    """How much was done when, and the CPU time until then."""

    at: float
    done: int
    cpu: Cpu

    def since(self, earlier: "Moment") -> Figure:
        """The rate and the CPU time per item in between."""
        done = self.done - earlier.done
        assert done, (
            "The backlog was worked off before all processes ran: it is too small to measure."
        )
        return Figure(done / (self.at - earlier.at), (self.cpu - earlier.cpu).per(done))


class Course(Struct, frozen=True):
    """How a backlog was worked off: at its begin, after a tenth, at nine tenths, at its end."""

    begin: Moment
    tenth: Moment
    nine_tenths: Moment
    end: Moment

    @property
    def steady(self) -> Figure:
        """Without start and end, unless the backlog is too small to leave them out."""
        first = self.tenth if self.tenth.done < self.nine_tenths.done else self.begin
        return self.nine_tenths.since(first)

    @property
    def to_the_end(self) -> Figure:
        """Without the start."""
        first = self.tenth if self.tenth.done < self.end.done else self.begin
        return self.end.since(first)


async def follow(
    bench: Bench,
    remaining: Callable[[], Awaitable[int]],
    meter: Meter,
    total: int,
    *,
    name: str = "orders of the backlog",
    is_over: Callable[[], Awaitable[bool]] | None = None,
) -> Course:
    """Watch a backlog of `total` until nothing remains, and until `is_over`."""

    def moment() -> Moment:
        return Moment(time.perf_counter(), done, meter.read())

    done = total - await remaining()
    begin = moment()
    tenth = nine_tenths = None
    with bench.display.step(name, total) as advance:
        while nine_tenths is None or done < total:
            done = total - await remaining()
            advance(done)
            if tenth is None and done >= total // 10:
                tenth = moment()
            if nine_tenths is None and done >= total * 9 // 10:
                nine_tenths = moment()
            await asyncio.sleep(_POLL_SECONDS)
        while is_over is not None and not await is_over():
            await asyncio.sleep(_POLL_SECONDS)
    assert tenth is not None
    assert nine_tenths is not None
    return Course(begin, tenth, nine_tenths, moment())


async def work_off(
    bench: Bench,
    *,
    processes: int = 2,
    customers: int = CUSTOMERS,
    orders: int | None = None,
    roles: Sequence[str] = CONSUMERS,
    database: str | None = None,
    order_id: Callable[[str], str] = str,
) -> Course:
    """Publish a backlog, and let so many earning processes work it off, in their `roles`: until the
    entries and the outbox are committed, and with a relay until the outbox is published too.
    `database` is that of the service, where it is not the stack's."""
    count = bench.sizes.orders if orders is None else orders
    await publish_backlog(bench, count, customers=customers, order_id=order_id)
    return await work_off_published(
        bench, count, processes=processes, roles=roles, database=database
    )


async def work_off_published(
    bench: Bench,
    count: int,
    *,
    processes: int = 2,
    roles: Sequence[str] = CONSUMERS,
    database: str | None = None,
) -> Course:
    """The same for a backlog that is published already."""
    settings = {"WHALE_ROLES": ",".join(roles)}
    if database is not None:
        settings["WHALE_DATABASE_URL"] = database
    async with AsyncExitStack() as running, Lag(bench.stack) as remaining:
        services = await asyncio.gather(
            *(
                running.enter_async_context(process(bench.stack, "earning", **settings))
                for _ in range(processes)
            )
        )
        meter = bench.meter(*(one.pid for one in services))
        url = database or bench.stack.database("earning")
        return await follow(
            bench,
            remaining,
            meter,
            count,
            is_over=(lambda: all_is_published(url)) if "relay" in roles else None,
        )


async def all_is_published(url: str) -> bool:
    """Whether the outbox is empty."""
    connection = await asyncpg.connect(url)
    try:
        return bool(await connection.fetchval("SELECT NOT EXISTS (SELECT FROM outbox)"))
    finally:
        await connection.close()


async def tidy_ledger(bench: Bench) -> None:
    """Tidy the stack's own ledger."""
    await tidy(bench.stack.database("earning", owner=True))
