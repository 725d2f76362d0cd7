"""The lines of orders, kept by a program that is set to keep them, and read with `tools order-items`."""

import asyncio
from typing import Any

import msgspec

from libs.testing.eventually import eventually
from tests.support import Shop


async def items_of(shop: Shop) -> dict[str, Any]:
    """What the command prints, by the order's id."""
    run = await asyncio.to_thread(shop.stack.run, "order-items", shop.store_id)
    lines = [msgspec.json.decode(line) for line in run.stdout.splitlines()]
    return {line["order_id"]: line["items"] for line in lines}


async def state_of(shop: Shop, order_id: str, state: str) -> None:
    async def look() -> None:
        listed = (await shop.call("GET", f"loyalty/orders?order_id={order_id}")).json
        assert [one["state"] for one in listed["data"]] == [state]

    await eventually(look)


async def test_the_lines_of_orders_are_kept_from_the_change_of_the_program_on(shop: Shop) -> None:
    items = [{"sku": "mug", "quantity": 2, "unit_price": "12.50", "name": "Becher \u00fc"}]
    program = await shop.program()
    assert program["keep_items"] is False
    await shop.publish(shop.order("early", items=items))
    await shop.balance_becomes(500)
    changed = await shop.call("PATCH", f"loyalty-programs/{program['id']}", {"keep_items": True})
    assert changed.json["keep_items"] is True
    versions = (await shop.call("GET", f"loyalty-programs/{program['id']}/versions")).json
    assert [one["keep_items"] for one in versions["data"]] == [True, False]
    for order_id, changes in (
        ("early", {}),
        ("kept", {}),
        ("without", {"items": None}),
        ("kept", {"items": [{"sku": "another delivery of the same order"}]}),
        ("negative", {"total": "-1"}),
        ("foreign", {"currency": "EUR", "items": [{"sku": "first"}]}),
    ):
        order: dict[str, Any] = {"order_id": order_id, "items": items} | changes
        await shop.publish(shop.order(order_id, **order))
    await state_of(shop, "negative", "refused")
    await state_of(shop, "foreign", "skipped")
    await shop.publish(shop.order("foreign", items=[{"sku": "second"}]))
    await shop.balance_becomes(2_000)
    assert await items_of(shop) == {"kept": items, "foreign": [{"sku": "second"}]}
