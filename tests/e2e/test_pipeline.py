"""The state of the pipeline: all services ready and nothing behind, and one service that is silent."""

import asyncio
from typing import Any

from libs.testing.eventually import eventually
from tests.support import Shop


async def read(shop: Shop) -> Any:
    response = await shop.call("GET", "loyalty/pipeline")
    assert response.status == 200, response.raw
    return response.json


async def test_an_idle_system_is_ready_and_not_behind(shop: Shop) -> None:
    await shop.program()
    await shop.publish(shop.order("1"))
    await shop.balance_becomes(500)

    async def caught_up() -> Any:
        pipeline = await read(shop)
        assert {step["seconds_behind"] for step in pipeline["steps"]} == {0}
        return pipeline

    pipeline = await eventually(caught_up)
    names = [step["name"] for step in pipeline["steps"]]
    assert names == ["orders", "detection", "resolutions", "redemption", "catalog"]
    assert not any(step["stopped"] for step in pipeline["steps"])
    assert pipeline["services"] == [
        {"name": name, "ready": True} for name in ("earning", "catalog", "redemption", "anomaly")
    ]


async def test_a_silent_service_is_not_ready_and_its_steps_are_unknown(shop: Shop) -> None:
    shop.stack.freeze("anomaly")
    try:

        async def reported() -> Any:
            """A busy service, too, may take more than a second to report."""
            pipeline = await read(shop)
            assert not pipeline["services"][-1]["ready"]
            assert all(service["ready"] for service in pipeline["services"][:-1])
            return pipeline

        pipeline = await eventually(reported)
    finally:
        shop.stack.resume("anomaly")
    assert pipeline["services"][-1]["reason"] == "It did not respond within a second."
    seconds = {step["name"]: step["seconds_behind"] for step in pipeline["steps"]}
    # Resolutions may wait in the outbox of the service that is silent.
    assert (seconds["detection"], seconds["resolutions"]) == (None, None)
    assert seconds["orders"] is not None

    async def ready() -> None:
        assert all(service["ready"] for service in (await read(shop))["services"])

    await eventually(ready)


async def test_many_viewers_share_a_report(shop: Shop) -> None:
    pipelines = await asyncio.gather(*(read(shop) for _ in range(10)))
    # One is enough where the machine is not busy.
    assert len({pipeline["as_of"] for pipeline in pipelines}) <= 5
