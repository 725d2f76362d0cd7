"""Whatever a store does, in whatever order and however often: the system and a small model agree.

Orders and refunds come by Kafka, everything else by REST; messages and requests are repeated, and in
one run of twenty services are killed and started again in between.
"""

import asyncio
import os
import random
import secrets
from collections.abc import Coroutine, Iterator
from fractions import Fraction
from typing import Any, ClassVar

import aiohttp
import asyncpg
import pytest
from aiokafka import AIOKafkaProducer
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from libs.contracts.topics import ORDER_REFUNDED
from libs.testing.eventually import eventually
from tests.e2e.test_once_in_effect import audit
from tests.model.model import TIERS, Reward, Store
from tests.redeeming import books_are_exact, reward_arrives
from tests.support import Answer, Shop, Stack

NAMES = st.sampled_from(["ada", "bob", "cy"])
CENTS = st.integers(0, 20_000).map(lambda cents: Fraction(cents, 100))
ONE_RUN_IN = 20


class Bench:
    """The stack, and one loop that all runs share."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.loop = asyncio.new_event_loop()
        self.producer: AIOKafkaProducer
        self.session: aiohttp.ClientSession
        self.earning: Any

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    async def open(self) -> None:
        self.producer = AIOKafkaProducer(bootstrap_servers=self.stack.kafka)
        await self.producer.start()
        self.session = aiohttp.ClientSession()
        self.earning = await asyncpg.connect(self.stack.database("earning"))

    async def close(self) -> None:
        await self.producer.stop()
        await self.session.close()
        await self.earning.close()


@pytest.fixture
def bench(stack: Stack) -> Iterator[Bench]:
    made = Bench(stack)
    made.run(made.open())
    yield made
    made.run(made.close())
    made.loop.close()


class StoreMachine(RuleBasedStateMachine):
    """One run: a store of its own, its model beside it."""

    bench: ClassVar[Bench]

    @initialize(rate=st.sampled_from(["1", "2.5", "10"]), number=st.integers(1, ONE_RUN_IN))
    def open_store(self, rate: str, number: int) -> None:
        self.restarts = number == ONE_RUN_IN
        store_id = f"store_{secrets.token_hex(5)}"
        key = self.run(self.bench.stack.key(store_id))
        self.shop = Shop(
            *(self.bench.stack, self.bench.session, self.bench.producer),
            store_id=store_id,
            key=key,
        )
        tiers = [
            {"name": name, "min_points": points, "multiplier": float(multiplier)}
            for name, points, multiplier in TIERS
        ]

        async def program() -> Any:
            return await self.shop.program(points_per_dollar=float(rate), tiers=tiers)

        # The run before may have killed the service at its end.
        self.program = self.run(eventually(program, within_seconds=60, every=0.3))
        self.model = Store(Fraction(rate))
        self.sent: list[tuple[str, dict[str, object]]] = []
        self.answered: list[tuple[str, object, str, Answer]] = []

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.bench.run(work)

    # -- by Kafka

    @rule(name=NAMES, total=CENTS)
    def order(self, name: str, total: Fraction) -> None:
        order_id = f"o{len(self.model.orders)}"
        event = self.shop.order(order_id, customer_id=name, total=f"{float(total):.2f}")
        self.publish("order.completed", event)
        self.recorded("SELECT FROM orders WHERE store_id = $1 AND order_id = $2", order_id)
        self.model.order(order_id, name, total)
        self.agrees(name)

    @precondition(lambda self: self.model.orders)
    @rule(data=st.data())
    def refund(self, data: st.DataObject) -> None:
        # Once the whole is refunded, any later refund is a conflict.
        counted = [
            key
            for key, one in self.model.orders.items()
            if not one.held and not one.refunded == one.total > 0
        ]
        if not counted:
            return
        order_id = data.draw(st.sampled_from(counted))
        left = self.model.left_of(order_id)
        cents = data.draw(st.none() | st.integers(0, int(left * 100)))
        name, refund_id = self.model.orders[order_id].customer, f"r{len(self.sent)}"
        event: dict[str, object] = {
            "store_id": self.shop.store_id,
            "order_id": order_id,
            "customer_id": name,
            "refund_id": refund_id,
            "refunded_at": "2026-03-11T12:00:00Z",
        }
        if cents is not None:
            event["amount"] = f"{cents / 100:.2f}"
        self.publish(ORDER_REFUNDED, event)
        self.recorded("SELECT FROM refunds WHERE store_id = $1 AND refund_id = $2", refund_id)
        self.model.refund(order_id, left if cents is None else Fraction(cents, 100))
        self.agrees(name)

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def deliver_again(self, data: st.DataObject) -> None:
        topic, event = data.draw(st.sampled_from(self.sent))
        self.run(self.shop.publish(event, topic=topic))

    def publish(self, topic: str, event: dict[str, object]) -> None:
        self.sent.append((topic, event))
        self.run(self.shop.publish(event, topic=topic))

    def recorded(self, query: str, key: str) -> None:
        async def look() -> bool:
            return await self.bench.earning.fetchrow(query, self.shop.store_id, key) is not None

        self.run(eventually(look, within_seconds=60, every=0.005))

    # -- by REST

    @rule(name=NAMES, points=st.integers(1, 3_000))
    def earn(self, name: str, points: int) -> None:
        body = {"customer_id": name, "points": points, "reason": "by hand"}
        self.expect(self.write("loyalty/earn", body), 201, self.model.earn(name, points))
        self.agrees(name)

    @rule(name=NAMES, points=st.integers(-500, 500).filter(bool))
    def adjust(self, name: str, points: int) -> None:
        body = {"customer_id": name, "points": points, "reason": "corrected"}
        self.expect(self.write("loyalty/adjust", body), 201, self.model.adjust(name, points))
        self.agrees(name)

    @rule(name=NAMES, suspended=st.booleans())
    def suspend(self, name: str, suspended: bool) -> None:
        if not self.model.customer(name).known:
            return
        body = {"status": "suspended" if suspended else "active"}
        path = f"loyalty/customers/{name}"
        answer = self.run(self.until_answered("PATCH", path, body))
        assert answer.status == 200, answer.raw
        self.model.suspend(name, suspended=suspended)
        self.agrees(name)

    @rule(rate=st.sampled_from(["1", "2.5", "10"]))
    def change_rate(self, rate: str) -> None:
        path = f"loyalty-programs/{self.program['id']}"
        answer = self.run(self.until_answered("PATCH", path, {"points_per_dollar": float(rate)}))
        assert answer.status == 200, answer.raw
        self.model.rate = Fraction(rate)

    @rule(
        cost=st.integers(1, 1_000),
        stock=st.none() | st.integers(0, 3),
        limit=st.none() | st.integers(1, 2),
        min_tier=st.none() | st.sampled_from(["Silver", "Gold"]),
        kind=st.sampled_from(["discount", "shipping", "credit", "perk"]),
    )
    def offer(self, **asked: Any) -> None:
        body = {
            "name": "Reward",
            "points_cost": asked["cost"],
            "type": asked["kind"],
            "stock": asked["stock"],
            "per_customer_limit": asked["limit"],
            "min_tier": asked["min_tier"],
        }
        answer = self.write("loyalty/rewards", body)
        assert answer.status == 201, answer.raw
        self.model.rewards[answer.json["id"]] = Reward(
            asked["cost"], asked["stock"], asked["limit"], asked["min_tier"]
        )
        self.run(reward_arrives(self.shop, answer.json["id"], asked["cost"]))

    @precondition(lambda self: self.model.rewards)
    @rule(data=st.data(), cost=st.integers(1, 1_000))
    def change_price(self, data: st.DataObject, cost: int) -> None:
        reward_id = data.draw(st.sampled_from(list(self.model.rewards)))
        path = f"loyalty/rewards/{reward_id}"
        answer = self.run(self.until_answered("PATCH", path, {"points_cost": cost}))
        assert answer.status == 200, answer.raw
        self.model.rewards[reward_id].cost = cost
        self.run(reward_arrives(self.shop, reward_id, cost))

    @precondition(lambda self: self.model.rewards)
    @rule(name=NAMES, data=st.data())
    def redeem(self, name: str, data: st.DataObject) -> None:
        reward_id = data.draw(st.sampled_from(list(self.model.rewards)))
        refusal = self.model.refusal(name, reward_id)
        answer = self.write("loyalty/redeem", {"customer_id": name, "reward_id": reward_id})
        self.expect(answer, 201, refusal or "done")
        if refusal is None:
            self.model.redeem(answer.json["redemption_id"], name, reward_id)
        self.agrees(name)

    @precondition(lambda self: self.model.redemptions)
    @rule(data=st.data(), step=st.sampled_from(["cancel", "use"]))
    def conclude(self, data: st.DataObject, step: str) -> None:
        redemption_id = data.draw(st.sampled_from(list(self.model.redemptions)))
        answer = self.write(f"loyalty/redemptions/{redemption_id}/{step}", {})
        expected = getattr(self.model, step)(redemption_id)
        self.expect(answer, 200, expected)
        if expected == "done":
            assert answer.json["status"] == self.model.redemptions[redemption_id].status
        self.agrees(self.model.redemptions[redemption_id].customer)

    @precondition(lambda self: self.answered)
    @rule(data=st.data())
    def ask_again(self, data: st.DataObject) -> None:
        path, body, key, before = data.draw(st.sampled_from(self.answered))
        answer = self.run(self.until_answered("POST", path, body, key))
        assert (answer.status, answer.raw) == (before.status, before.raw)

    @precondition(lambda self: self.restarts)
    @rule(service=st.sampled_from(["earning", "redemption", "catalog"]))
    def kill(self, service: str) -> None:
        pid = self.bench.stack.kill(service)

        async def another_runs() -> bool:
            found = self.bench.stack.process(service)
            return found.state == "running" and found.pid != pid

        self.run(eventually(another_runs, within_seconds=60))

    def write(self, path: str, body: object) -> Answer:
        """A POST with a key of its own; one that succeeded may be asked again later."""
        key = secrets.token_hex(8)
        answer = self.run(self.until_answered("POST", path, body, key))
        if answer.status < 300:
            self.answered.append((path, body, key, answer))
        return answer

    async def until_answered(
        self, method: str, path: str, body: object, key: str | None = None
    ) -> Answer:
        """The outcome; a service that is away is asked again, with the same key."""
        headers = {"Idempotency-Key": key or secrets.token_hex(8)}

        async def ask() -> Answer:
            answer = await self.shop.call(method, path, body, headers=headers)
            assert answer.status not in {429, 503}, answer.raw
            return answer

        return await eventually(ask, within_seconds=60)

    @staticmethod
    def expect(answer: Answer, success: int, outcome: str) -> None:
        if outcome == "done":
            assert answer.status == success, answer.raw
        else:
            assert answer.status >= 400, answer.raw
            problem = answer.json
            assert problem.get("reason", problem["code"]) == outcome, answer.raw

    def agrees(self, name: str) -> None:
        """The customer's status is the model's."""
        model = self.model.customer(name)
        path = f"loyalty/customers/{name}"
        answer = self.run(self.until_answered("GET", path, None))
        if not model.known:
            assert answer.status == 404, answer.raw
            return
        shown = answer.json
        assert (shown["points_balance"], shown["lifetime_points"], shown["tier"]["name"]) == (
            *(model.balance, model.lifetime, model.tier[0]),
        )
        assert shown["status"] == ("suspended" if model.suspended else "active")

    def teardown(self) -> None:
        if not hasattr(self, "shop"):
            return
        states = self.run(books_are_exact(self.bench.stack, self.shop.store_id))
        expected = [one.status for one in self.model.redemptions.values()]
        assert sorted(states.elements()) == sorted([*expected, *["released"] * states["released"]])
        self.run(audit(self.bench.stack, self.shop.store_id))


def explore(bench: Bench, runs: int) -> None:
    seed = int(os.environ.get("MODEL_SEED", random.randrange(10**6)))
    print("MODEL_SEED", seed)
    StoreMachine.bench = bench

    class Seeded(StoreMachine):
        pass

    Seeded._hypothesis_internal_use_seed = seed  # type: ignore[attr-defined]
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Seeded,
        settings=settings(
            max_examples=runs,
            stateful_step_count=20,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.timeout(600)
def test_the_system_agrees_with_the_model(bench: Bench) -> None:
    explore(bench, 25)


@pytest.mark.long
@pytest.mark.timeout(7_200)
def test_the_system_agrees_with_the_model_over_many_runs(bench: Bench) -> None:
    explore(bench, int(os.environ.get("MODEL_RUNS", "2000")))
