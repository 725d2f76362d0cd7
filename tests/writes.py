"""Every operation that writes, as two different requests that may race, and their effects counted."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial

import asyncpg
from msgspec import Struct

from libs.contracts.operations import CLOUD_EVENT, OPERATIONS
from libs.kernel.clock import format_time, utc_now
from libs.testing.eventually import eventually
from tests.flagging import flagged
from tests.redeeming import give_reward, redeem
from tests.support import Shop

WRITES = {operation.id: operation for operation in OPERATIONS if operation.is_write}


class Request(Struct, frozen=True):
    """What is sent, and how often it took effect, as the data has it."""

    path: str
    body: object
    effects: Callable[[], Awaitable[int]]
    media_type: str = "application/json"


# Makes two different requests of an operation, in a store that has what they need.
Prepare = Callable[[Shop], Awaitable[tuple[Request, Request]]]


async def count(shop: Shop, service: str, query: str, *arguments: object) -> int:
    connection = await asyncpg.connect(shop.stack.database(service, owner=True))
    try:
        return int(await connection.fetchval(query, *arguments))
    finally:
        await connection.close()


def of_posting(shop: Shop, name: str, path: str, body: dict[str, object]) -> Request:
    async def effects() -> int:
        query = "SELECT count(*) FROM entries WHERE store_id = $1 AND reason = $2"
        return await count(shop, "earning", query, shop.store_id, name)

    return Request(path, body, effects)


async def earn(shop: Shop) -> tuple[Request, Request]:
    await shop.program()
    a, b = (
        of_posting(
            shop, name, "loyalty/earn", {"customer_id": "cust_1", "points": 10, "reason": name}
        )
        for name in ("a", "b")
    )
    return a, b


async def earn_batch(shop: Shop) -> tuple[Request, Request]:
    await shop.program()
    a, b = (
        of_posting(
            *(shop, name, "loyalty/earn/batch"),
            {"items": [{"customer_id": "cust_1", "points": 10, "reason": name}]},
        )
        for name in ("a", "b")
    )
    return a, b


async def adjust(shop: Shop) -> tuple[Request, Request]:
    await shop.program()
    await shop.earn("cust_1", 100)
    a, b = (
        of_posting(
            shop, name, "loyalty/adjust", {"customer_id": "cust_1", "points": -1, "reason": name}
        )
        for name in ("a", "b")
    )
    return a, b


async def send_events(shop: Shop) -> tuple[Request, Request]:
    await shop.program()

    def of(name: str) -> Request:
        async def effects() -> int:
            await shop.stack.drained()
            query = "SELECT count(*) FROM entries WHERE store_id = $1 AND order_id = $2"
            return await count(shop, "earning", query, shop.store_id, name)

        event = {
            "specversion": "1.0",
            "type": "order.completed",
            "id": name,
            "source": "/shop",
            "data": shop.order(name),
        }
        return Request("events", event, effects, CLOUD_EVENT)

    return of("a"), of("b")


async def create_program(shop: Shop) -> tuple[Request, Request]:
    def of(name: str) -> Request:
        async def effects() -> int:
            programs = (await shop.call("GET", "loyalty-programs")).json["data"]
            return sum(one["name"] == name for one in programs)

        return Request("loyalty-programs", {"name": name, "points_per_dollar": 1}, effects)

    return of("a"), of("b")


async def update_program(shop: Shop) -> tuple[Request, Request]:
    program = await shop.program()

    def of(name: str) -> Request:
        async def effects() -> int:
            query = """SELECT count(*) FROM program_versions v JOIN programs p ON p.id = v.program_id
                       WHERE p.store_id = $1 AND v.name = $2"""
            return await count(shop, "earning", query, shop.store_id, name)

        return Request(f"loyalty-programs/{program['id']}", {"name": name}, effects)

    return of("a"), of("b")


async def update_customer(shop: Shop) -> tuple[Request, Request]:
    await shop.program()
    await shop.earn("cust_1", 100)

    def of(status: str) -> Request:
        async def effects() -> int:
            query = """SELECT count(*) FROM status_changes s JOIN accounts a ON a.id = s.account_id
                       WHERE a.store_id = $1 AND s.note = $2"""
            return await count(shop, "earning", query, shop.store_id, status)

        return Request("loyalty/customers/cust_1", {"status": status, "note": status}, effects)

    return of("suspended"), of("active")


async def create_reward(shop: Shop) -> tuple[Request, Request]:
    def of(name: str) -> Request:
        async def effects() -> int:
            query = "SELECT count(*) FROM rewards WHERE store_id = $1 AND name = $2"
            return await count(shop, "catalog", query, shop.store_id, name)

        return Request("loyalty/rewards", {"name": name, "points_cost": 1, "type": "perk"}, effects)

    return of("a"), of("b")


async def changes_of(shop: Shop, reward_id: str, description: str | None) -> int:
    """How many versions the reward has beyond its first, where the last one is so described."""
    query = """SELECT coalesce(sum(version - 1), 0) FROM rewards
               WHERE store_id = $1 AND id = $2 AND description IS NOT DISTINCT FROM $3"""
    return await count(shop, "catalog", query, shop.store_id, reward_id, description)


async def update_reward(shop: Shop) -> tuple[Request, Request]:
    reward = await give_reward(shop)

    def of(text: str) -> Request:
        async def effects() -> int:
            return await changes_of(shop, reward["id"], text)

        return Request(f"loyalty/rewards/{reward['id']}", {"description": text}, effects)

    return of("a"), of("b")


async def delete_reward(shop: Shop) -> tuple[Request, Request]:
    async def of() -> Request:
        reward = await give_reward(shop)

        async def effects() -> int:
            return await changes_of(shop, reward["id"], None)

        return Request(f"loyalty/rewards/{reward['id']}", None, effects)

    return await of(), await of()


async def redemptions(shop: Shop, query: str, *arguments: object) -> int:
    return await count(
        *(shop, "redemption"),
        f"SELECT count(*) FROM redemptions WHERE store_id = $1 AND {query}",
        *(shop.store_id, *arguments),
    )


async def redeeming(shop: Shop) -> tuple[Request, Request]:
    await shop.program()
    reward = await give_reward(shop)

    async def of(customer: str) -> Request:
        await shop.earn(customer, 5_000)

        async def effects() -> int:
            return await redemptions(shop, "customer_id = $2", customer)

        body = {"customer_id": customer, "reward_id": reward["id"]}
        return Request("loyalty/redeem", body, effects)

    return await of("cust_1"), await of("cust_2")


async def stepping(shop: Shop, step: str) -> tuple[Request, Request]:
    await shop.program()
    await shop.earn("cust_1", 5_000)
    reward = await give_reward(shop)

    async def of() -> Request:
        redeemed = (await redeem(shop, reward["id"])).json
        redemption_id = redeemed["redemption_id"]

        async def effects() -> int:
            condition = "'rdm_' || id = $2 AND status NOT IN ('reserved', 'confirmed')"
            return await redemptions(shop, condition, redemption_id)

        if step == "use by code":
            return Request("loyalty/redemptions/use", {"code": redeemed["code"]}, effects)
        return Request(f"loyalty/redemptions/{redemption_id}/{step}", None, effects)

    return await of(), await of()


async def cancel(shop: Shop) -> tuple[Request, Request]:
    return await stepping(shop, "cancel")


async def use(shop: Shop) -> tuple[Request, Request]:
    return await stepping(shop, "use")


async def use_by_code(shop: Shop) -> tuple[Request, Request]:
    return await stepping(shop, "use by code")


async def update_anomaly(shop: Shop) -> tuple[Request, Request]:
    anomaly = await flagged(shop)

    def of(note: str) -> Request:
        async def effects() -> int:
            query = "SELECT count(*) FROM reviews WHERE 'anom_' || anomaly_id = $1 AND note = $2"
            return await count(shop, "anomaly", query, anomaly["id"], note)

        body = {"status": "in_review", "note": note}
        return Request(f"loyalty/anomalies/{anomaly['id']}", body, effects)

    return of("a"), of("b")


async def update_settings(shop: Shop) -> tuple[Request, Request]:
    def of(number: int) -> Request:
        async def effects() -> int:
            query = """SELECT coalesce(sum(revision), 0) FROM stores WHERE store_id = $1
                       AND settings::json -> 'rapid_earning' ->> 'count' = $2"""
            return await count(shop, "anomaly", query, shop.store_id, str(number))

        return Request("loyalty/anomaly-settings", {"rapid_earning": {"count": number}}, effects)

    return of(20), of(30)


async def two_letters(shop: Shop) -> tuple[str, str]:
    """The ids of two dead letters."""
    for number in range(2):
        await shop.publish(shop.order(f"wrong-{number}", total="-1"))

    async def both() -> tuple[str, str]:
        first, second = (await shop.call("GET", "loyalty/dead-letters")).json["data"]
        return first["id"], second["id"]

    return await eventually(both)


async def marked(shop: Shop, letter_id: str) -> int:
    """Whether the letter was handled."""
    query = "SELECT count(*) FROM dead_letters_handled WHERE 'dl_' || id = $1"
    return await count(shop, "earning", query, letter_id)


async def replay(shop: Shop) -> tuple[Request, Request]:
    a, b = (
        Request(f"loyalty/dead-letters/{id_}/replay", None, partial(marked, shop, id_))
        for id_ in await two_letters(shop)
    )
    return a, b


async def replay_many(shop: Shop) -> tuple[Request, Request]:
    a, b = (
        Request("loyalty/dead-letters/replay", {"ids": [id_]}, partial(marked, shop, id_))
        for id_ in await two_letters(shop)
    )
    return a, b


async def drop(shop: Shop) -> tuple[Request, Request]:
    a, b = (
        Request(f"loyalty/dead-letters/{id_}", None, partial(marked, shop, id_))
        for id_ in await two_letters(shop)
    )
    return a, b


async def release(shop: Shop) -> tuple[Request, Request]:
    """Of two orders whose points wait."""
    await shop.program(pending={"days": 366})
    for name in ("a", "b"):
        await shop.publish(shop.order(name, completed_at=format_time(utc_now())))
    await shop.stack.drained()

    def of(name: str) -> Request:
        async def effects() -> int:
            query = """SELECT count(*) FROM entries
                       WHERE store_id = $1 AND order_id = $2 AND type = 'earn'"""
            return await count(shop, "earning", query, shop.store_id, name)

        return Request("loyalty/orders/release", {"order_id": name}, effects)

    return of("a"), of("b")


async def recheck(shop: Shop) -> tuple[Request, Request]:
    """Of orders that came before there was a program."""
    for name in ("a", "b"):
        await shop.publish(shop.order(name))
    await shop.stack.drained()
    await shop.program()

    def of(name: str) -> Request:
        async def effects() -> int:
            query = "SELECT count(*) FROM entries WHERE store_id = $1 AND order_id = $2"
            return await count(shop, "earning", query, shop.store_id, name)

        return Request("loyalty/orders/recheck", {"order_ids": [name]}, effects)

    return of("a"), of("b")


async def move_clock(shop: Shop) -> tuple[Request, Request]:
    def of(days: int) -> Request:
        async def effects() -> int:
            query = """SELECT count(*) FROM store_clocks
                WHERE store_id = $1 AND round(shift_ms / 86_400_000.0) = $2"""
            return await count(shop, "earning", query, shop.store_id, days)

        return Request(
            "loyalty/clock", {"now": format_time(utc_now() + timedelta(days=days))}, effects
        )

    return of(400), of(800)


PREPARE: dict[str, Prepare] = {
    "createProgram": create_program,
    "updateProgram": update_program,
    "earn": earn,
    "earnBatch": earn_batch,
    "adjust": adjust,
    "sendEvents": send_events,
    "updateCustomer": update_customer,
    "createReward": create_reward,
    "updateReward": update_reward,
    "deleteReward": delete_reward,
    "redeem": redeeming,
    "cancelRedemption": cancel,
    "useRedemption": use,
    "useRedemptionByCode": use_by_code,
    "replayDeadLetter": replay,
    "replayDeadLetters": replay_many,
    "dropDeadLetter": drop,
    "releaseOrder": release,
    "recheckOrders": recheck,
    "moveClock": move_clock,
    "updateAnomaly": update_anomaly,
    "updateAnomalySettings": update_settings,
}
