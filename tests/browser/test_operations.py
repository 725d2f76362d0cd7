"""Operations: what is stuck, in every look; and everything that a reader does about it."""

from typing import Any

from playwright.async_api import expect

from libs.testing.eventually import eventually
from tests.browser.reader import Reader
from tests.support import Shop

HOSTILE = "<img src=x onerror=alert(1)>"
NOTHING_STUCK = "Everything is processed."


async def lists(shop: Shop, path: str, count: int) -> None:
    """Wait until a list of the API has so many entries."""

    async def look() -> None:
        assert (await shop.call("GET", f"loyalty/{path}")).json["total"] == count, path

    await eventually(look, every=0.2)


async def test_every_look_of_what_is_stuck_is_in_order(reader: Reader, shop: Shop) -> None:
    await shop.program()
    assert (await shop.earn("a&b", 500)).status == 201
    body = {"status": "suspended", "note": "Under review"}
    assert (await shop.call("PATCH", "loyalty/customers/a%26b", body)).status == 200
    await shop.publish_all(
        [
            shop.order("1042", total="-1", customer_id="a'b", note=HOSTILE),
            shop.order("1043", currency="EUR", customer_id="a+b"),
            shop.order("1044", customer_id="a&b"),
        ]
    )
    for path in ("dead-letters", "orders?state=skipped", "orders?state=held"):
        await lists(shop, path, 1)
    page = reader.page
    await reader.open("/operations")
    for name in ("1 dead letter", "1 order was skipped", "1 order is held"):
        await expect(page.get_by_role("link", name=name)).to_be_visible()
    await page.get_by_text("Show the order").click()
    await expect(page.get_by_text("The order is in EUR, the program in USD.")).to_be_visible()
    await reader.check("operations")
    await page.get_by_role("link", name="Order 1042").click()
    await expect(page.get_by_role("heading", name="A value is not allowed")).to_be_visible()
    await expect(page.locator("pre")).to_contain_text(f'"note": "{HOSTILE}"')
    await reader.check("letter")


async def test_a_reader_replays_drops_and_checks_again(new_reader: Any, shop: Shop) -> None:
    await shop.publish_all([shop.order("1042", total="-1"), shop.order("1043")])
    await lists(shop, "dead-letters", 1)
    await lists(shop, "orders?state=skipped", 1)
    reader = await new_reader(key=shop.key)
    page = reader.page
    await reader.open("/operations")
    await shop.program()
    await page.get_by_role("button", name="Check 1 order again").click()
    await expect(page.get_by_text("Not skipped anymore: 1.")).to_be_visible()
    await expect(page.get_by_text("There was no program")).to_have_count(0)

    first = await page.locator("[data-row]").get_attribute("id")
    await page.wait_for_load_state()
    await page.keyboard.press("j")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/operations/letter?*")
    await page.keyboard.press("p")
    await expect(page.get_by_text("Replayed: 1.")).to_be_visible()
    # It fails again, and returns without a reload.
    await expect(page.locator(f"[data-row]:not([id='{first}'])")).to_have_count(1)

    await page.locator("[data-row]").click()
    await page.wait_for_url("**/operations/letter?*")
    await page.keyboard.press("d")
    await expect(page.get_by_role("dialog")).to_be_visible()
    await page.get_by_role("button", name="Drop 1 dead letter").click()
    await expect(page.get_by_text("Dropped.")).to_be_visible()
    await expect(page.get_by_text(NOTHING_STUCK)).to_be_visible()
    reader.check_faults()


async def test_it_works_without_javascript_and_only_for_keys_that_manage(
    new_reader: Any, shop: Shop
) -> None:
    await shop.program()
    await shop.publish_all([shop.order("1", total="-1"), shop.order("2", total="-2")])
    await lists(shop, "dead-letters", 2)
    reader = await new_reader(javascript=False, key=shop.key)
    page = reader.page
    await reader.open("/operations")
    await page.get_by_role("button", name="Replay selected").click()
    await expect(page.get_by_text("Nothing was selected.")).to_be_visible()
    for order in ("1", "2"):
        row = page.get_by_role("row").filter(has=page.get_by_role("link", name=f"Order {order}"))
        await row.get_by_role("link", name="Drop").click()
        await page.get_by_role("button", name="Drop 1 dead letter").click()
        await expect(page.get_by_text("Dropped.")).to_be_visible()
    await expect(page.get_by_text(NOTHING_STUCK)).to_be_visible()

    await shop.publish(shop.order("3", total="-3"))
    await lists(shop, "dead-letters", 1)
    reader = await new_reader(key=await shop.stack.key(shop.store_id, "read"))
    reader.expected = {403}
    page = reader.page
    await reader.open("/operations")
    await expect(page.get_by_role("button", name="Replay")).to_have_count(0)
    await page.get_by_role("link", name="Order 3").click()
    await expect(page.get_by_text("Only a key with the scope manage shows it.")).to_be_visible()
    token = await page.locator("[name=csrf_token]").first.get_attribute("value")
    status = await page.evaluate(
        """async (token) => (await fetch("/dashboard/operations/drop", {
            method: "POST", body: new URLSearchParams({csrf_token: token, one: "dl_x"})})).status""",
        token,
    )
    assert status == 403
