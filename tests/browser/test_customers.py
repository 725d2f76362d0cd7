"""The customers: who they are, why they have these points, and what is done to them."""

from typing import Any

from playwright.async_api import expect

from libs.testing.eventually import eventually
from tests.browser.reader import NARROW, Reader
from tests.support import Shop

# All of these are valid ids; each means something else in a path, a query or HTML.
HOSTILE_IDS = ("a&b=c", "a+b|c", "a'b", "~.$*!", "عميل_7")
HOSTILE_TEXT = "<img src=x onerror=alert(1)> & 'quoted'"


async def test_every_look_of_a_customer_is_in_order(reader: Reader, shop: Shop) -> None:
    await shop.program()
    for customer_id in HOSTILE_IDS:
        assert (await shop.earn(customer_id, 12_500)).status == 201
    await shop.publish(shop.order("order_1"))
    await shop.publish(shop.order("order_2", currency="EUR"))
    await shop.balance_becomes(500)
    page = reader.page
    await reader.open("/customers")
    await expect(page.locator("tbody tr")).to_have_count(len(HOSTILE_IDS) + 1)
    await reader.check("customers")
    for customer_id in HOSTILE_IDS:
        await reader.open("/customers")
        await page.get_by_role("link", name=customer_id, exact=True).click()
        await expect(page.get_by_role("heading", level=1)).to_have_text(customer_id)
    reader.expected = {404}
    await reader.open("/customer?id=..")
    await expect(page.get_by_text("can't be the ID of a customer")).to_be_visible()
    await reader.open("/customer?id=cust_9")
    await expect(page.get_by_text("No points yet for “cust_9”")).to_be_visible()
    await reader.check("customer-missing")
    await reader.open("/customer?id=cust_1&tab=orders")
    await expect(page.get_by_text("It is in another currency than the program.")).to_be_visible()
    await reader.check("customer-orders")


async def test_an_award_says_what_it_does_before_it_is_sent(reader: Reader, shop: Shop) -> None:
    await shop.program()
    assert (await shop.earn("cust_1", 3_000)).status == 201
    page = reader.page
    await reader.open("/customer?id=cust_1")
    await page.keyboard.press("w")
    await page.wait_for_url("**/customer/points?*")
    await page.fill("[name=points]", "500")
    await expect(page.get_by_text("3,000 → 3,500").first).to_be_visible()
    await page.fill("[name=reason]", HOSTILE_TEXT)
    await reader.check("award")
    await page.get_by_role("button", name="Award 500 points").click()
    await expect(page.get_by_text("Posted: +500. The balance is 3,500 now.")).to_be_visible()
    await expect(page.get_by_text(HOSTILE_TEXT)).to_be_visible()
    await page.wait_for_load_state()
    await page.keyboard.press("e")
    await page.wait_for_url("**/customer/points?*")
    await page.select_option("[name=direction]", "remove")
    await page.fill("[name=points]", "3,501")
    await expect(page.get_by_text("That is more than the balance").first).to_be_visible()
    await reader.check("adjust")


async def test_large_awards_are_confirmed_also_without_javascript(
    new_reader: Any, shop: Shop
) -> None:
    await shop.program()
    reader = await new_reader(size=NARROW, javascript=False, key=shop.key)
    page = reader.page
    await reader.open("/customer/points?do=award&id=cust_1")
    await page.fill("[name=points]", "12,500")
    await page.fill("[name=reason]", "Moved from the old program")
    await page.get_by_role("button", name="Show the effect").click()
    await expect(page.get_by_text("0 → 12,500").first).to_be_visible()
    await page.get_by_role("button", name="Award 12,500 points").click()
    await expect(page.get_by_text("This is a large award.")).to_be_visible()
    assert await shop.status() is None
    await page.get_by_role("button", name="Award 12,500 points").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("cust_1")
    assert (await shop.status())["points_balance"] == 12_500
    reader.check_faults()


async def test_a_repeat_after_an_unknown_outcome_is_not_done_twice(
    new_reader: Any, shop: Shop
) -> None:
    await shop.program()
    assert (await shop.earn("cust_1", 3_000)).status == 201
    reader = await new_reader(key=shop.key)
    reader.expected = {503}
    page = reader.page
    await reader.open("/customer/points?do=award&id=cust_1")
    await page.fill("[name=points]", "500")
    await page.fill("[name=reason]", "Goodwill")
    button = page.get_by_role("button", name="Award 500 points")
    await expect(button).to_be_visible()
    shop.stack.freeze("earning")
    try:
        await button.click(no_wait_after=True)
        await expect(page.get_by_text("We don't know yet whether")).to_be_visible()
    finally:
        shop.stack.resume("earning")
    # The request that nobody waited for is carried out now.
    await shop.balance_becomes(3_500)
    await expect(page.locator("[name=points]")).to_have_attribute("readonly", "")
    await page.get_by_role("button", name="Try again").click()
    await expect(page.get_by_text("Posted: +500. The balance is 3,500 now.")).to_be_visible()
    assert (await shop.status())["points_balance"] == 3_500
    reader.check_faults()


async def test_a_suspension_says_who_and_why_and_holds_orders(new_reader: Any, shop: Shop) -> None:
    await shop.program()
    assert (await shop.earn("cust_1", 3_000)).status == 201
    reader = await new_reader(key=shop.key)
    page = reader.page
    await reader.open("/customer?id=cust_1")
    await page.get_by_role("link", name="Suspend").click()
    await page.fill("[name=note]", HOSTILE_TEXT)
    await page.get_by_role("button", name="Suspend").click()
    await expect(page.get_by_text("The account is suspended.")).to_be_visible()
    await expect(page.get_by_text(HOSTILE_TEXT)).to_be_visible()
    await expect(page.get_by_text("by test ·")).to_be_visible()
    await expect(page.get_by_role("link", name="Award")).to_have_count(0)
    # A colleague's form for an award is still open.
    reader.expected = {409}
    await reader.open("/customer/points?do=award&id=cust_1")
    await page.fill("[name=points]", "5")
    await page.fill("[name=reason]", "Goodwill")
    await page.get_by_role("button", name="Award 5 points").click()
    await expect(page.get_by_role("alert")).to_contain_text("Suspended by test")
    await expect(page.locator("[name=reason]")).to_have_value("Goodwill")
    await page.wait_for_load_state()
    await page.keyboard.press("Escape")
    await page.wait_for_url("**/customer?*")
    await shop.publish(shop.order("order_1"))
    # The page follows by itself.
    await expect(page.get_by_text("1 order is held")).to_be_visible()
    await page.get_by_role("link", name="Reactivate").click()
    await expect(page.get_by_text("1 held order will post")).to_be_visible()
    await page.get_by_role("button", name="Reactivate").click()
    await expect(page.get_by_text("The account is active again.")).to_be_visible()
    await shop.balance_becomes(3_500)
    reader.check_faults()


async def test_a_redemption_is_cancelled_once_and_the_search_finds_its_customer(
    new_reader: Any, shop: Shop
) -> None:
    await shop.program()
    await shop.publish(shop.order("order_1", total="200.00"))
    await shop.balance_becomes(2_000)
    body = {"name": "Mug", "points_cost": 800, "type": "perk", "id": "rwd_mug"}
    assert (await shop.call("POST", "loyalty/rewards", body)).status == 201

    async def redeem() -> None:
        redeeming = {"customer_id": "cust_1", "reward_id": "rwd_mug"}
        assert (await shop.call("POST", "loyalty/redeem", redeeming)).status == 201

    await eventually(redeem)
    reader = await new_reader(key=shop.key)
    page = reader.page
    await reader.open("")
    # The order's customer, with the order.
    await page.keyboard.press("/")
    await page.keyboard.type("order_1")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("Only the order order_1 is shown.")).to_be_visible()
    await page.get_by_role("link", name="Redemptions").click()
    await page.get_by_role("link", name="Cancel").click()
    await page.get_by_role("button", name="Cancel and return 800 points").click()
    await expect(page.get_by_text("The redemption is cancelled.")).to_be_visible()
    await shop.balance_becomes(2_000)
    # The form that another reader still has open.
    await page.go_back()
    await expect(page.get_by_text("cannot be changed anymore")).to_be_visible()
    reader.check_faults()


async def test_a_key_that_only_reads_is_offered_nothing_else(new_reader: Any, shop: Shop) -> None:
    await shop.program()
    assert (await shop.earn("cust_1", 3_000)).status == 201
    key = await shop.stack.key(shop.store_id, scopes="read")
    reader = await new_reader(key=key)
    reader.expected = {403}
    await reader.open("/customer?id=cust_1")
    await expect(reader.page.locator(".bottom-actions")).to_have_count(0)
    await reader.open("/customer/points?do=award&id=cust_1")
    await expect(reader.page.get_by_text("It needs the scope earn")).to_be_visible()
    reader.check_faults()
