"""A server dies under load and comes back: what goes on, what waits, and nothing lost."""

import asyncio

import asyncpg

from libs.testing.eventually import eventually
from tests.e2e.test_once_in_effect import audit
from tests.support import Shop
from tools.stack import kafka


async def test_awards_go_on_while_kafka_is_unavailable_and_are_published_later_in_order(
    shop: Shop,
) -> None:
    await shop.program()
    await shop.earn("cust_1", 1)
    shop.stack.kill("kafka")
    for _ in range(30):
        response = await shop.earn("cust_1", 1)
        assert response.status == 201
        await asyncio.sleep(0.05)
    await eventually(lambda: kafka.is_available(shop.stack.kafka), every=0.5)
    assert await distinct_sequences(shop, 31) == list(range(1, 32))
    await shop.publish(shop.order("o1"))
    await shop.balance_becomes(31 + 500)


async def distinct_sequences(shop: Shop, count: int) -> list[int]:
    """The first `count` different sequences, in the order in which they were published. A batch that
    was in flight when Kafka died may be published twice."""
    for published in range(count, 2 * count):
        events = await shop.read_events("points.earned", count=published)
        sequences = list(dict.fromkeys(event["sequence"] for event, _ in events))
        if len(sequences) == count:
            break
    return sequences


async def test_postgres_killed_under_load_loses_and_doubles_nothing(shop: Shop) -> None:
    await shop.program(tiers=[])
    orders = [
        shop.order(f"o{n}", customer_id=f"cust_{n % 300}", total="1.00") for n in range(20_000)
    ]
    await shop.publish_all(orders[:10_000])
    shop.stack.kill("postgres")
    await shop.publish_all(orders[10_000:])

    async def award_comes_through() -> bool:
        response = await shop.earn("cust_award", 7, **{"Idempotency-Key": "once"})
        assert response.status in {201, 503}, response.raw
        return response.status == 201

    await eventually(award_comes_through, every=0.3)

    async def all_posted() -> None:
        connection = await asyncpg.connect(shop.stack.database("earning"))
        try:
            posted = await connection.fetchval(
                "SELECT sum(balance) FROM accounts WHERE store_id = $1", shop.store_id
            )
        finally:
            await connection.close()
        assert posted == 200_007, posted

    await eventually(all_posted, every=0.3)
    await shop.stack.drained()
    await audit(shop.stack, shop.store_id)

    async def all_published() -> bool:
        connection = await asyncpg.connect(shop.stack.database("earning"))
        try:
            return bool(await connection.fetchval("SELECT count(*) = 0 FROM outbox"))
        finally:
            await connection.close()

    await eventually(all_published, every=0.3)
