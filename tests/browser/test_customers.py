"""The customers: who they are, why they have these points, and what is done to them."""

from typing import Any

from playwright.async_api import expect

from libs.kernel.clock import utc_now
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


# A year from the store's clock on, whose days are those of the reader in New York.
YEAR = utc_now().year + 2
DATED = {"time_zone": "America/New_York", "expiry": {"kind": "after", "months": 12}}


async def go_to(shop: Shop, day: str) -> None:
    """Move the store's clock to noon of a day in New York."""
    response = await shop.call("PUT", "loyalty/clock", {"now": f"{day}T17:00:00Z"})
    assert response.status == 200, response.raw


async def wait_for_pending(shop: Shop, points: int) -> None:
    async def look() -> None:
        status = await shop.status()
        assert status is not None
        assert status.get("points_pending") == points

    await eventually(look)


async def change_points(shop: Shop, kind: str, points: int, **more: object) -> None:
    body = {"customer_id": "cust_1", "points": points, "reason": HOSTILE_TEXT, **more}
    assert (await shop.call("POST", f"loyalty/{kind}", body)).status == 201


async def test_points_that_wait_or_expire_are_shown_with_their_days(
    reader: Reader, shop: Shop
) -> None:
    await go_to(shop, f"{YEAR}-03-01")
    await shop.program(**DATED, pending={"days": 14})
    await shop.publish(shop.order("order_1", completed_at=f"{YEAR}-03-01T16:00:00Z"))
    await wait_for_pending(shop, 500)
    page = reader.page
    await reader.open("/customer?id=cust_1&tab=orders")
    await expect(page.locator("tbody")).to_contain_text(f"available from Mar 16, {YEAR}")
    await page.get_by_role(
        "link", name=f"500 points pending, available from Mar 16, {YEAR}"
    ).click()
    await expect(page.locator("tbody tr")).to_contain_text(["order_1"])
    await reader.check("customer-pending")
    await page.get_by_role("link", name="Release").click()
    await expect(page.get_by_text("0 → 500").first).to_be_visible()
    await reader.check("release")
    await go_to(shop, f"{YEAR}-03-16")
    await shop.balance_becomes(500)
    await change_points(shop, "earn", 300, expires_on=f"{YEAR}-12-31")
    await change_points(shop, "adjust", 50, expires_on=None)
    await change_points(shop, "adjust", -320)
    await reader.open("/customer?id=cust_1")
    for row in range(3):
        await page.locator("tbody summary").nth(row).click()
    rows = page.locator("tbody tr")
    await expect(rows.nth(0)).to_contain_text(f"300 points until Dec 31, {YEAR}")
    await expect(rows.nth(0)).to_contain_text(f"20 points until Mar 16, {YEAR + 1}")
    await expect(rows.nth(1)).to_contain_text("50 points that never expire")
    await expect(rows.nth(4)).to_contain_text("+500 pending")
    await reader.check("customer-lots")
    await page.get_by_role("link", name=f"480 points expire after Mar 16, {YEAR + 1}").click()
    await expect(rows.nth(0)).to_contain_text(f"480 points until Mar 16, {YEAR + 1}")
    await expect(rows.nth(1)).to_contain_text("50 points that never expire")
    await reader.check("customer-expirations")
    await go_to(shop, f"{YEAR + 1}-03-17")
    await reader.open("/customer?id=cust_1")
    await expect(rows.nth(0)).to_contain_text("−480")
    await expect(page.get_by_role("link", name="Expirations")).to_have_count(0)
    await reader.check("customer-expired")


async def test_pending_points_are_released_by_keyboard_and_only_once(
    new_reader: Any, shop: Shop
) -> None:
    await shop.program(pending={"days": 14, "from": "fulfilled"})
    for order, total in (("order_1", "50.00"), ("order_2", "20.00")):
        completed_at = utc_now().isoformat()
        await shop.publish(shop.order(order, total=total, completed_at=completed_at))
    await wait_for_pending(shop, 700)
    reader = await new_reader(key=shop.key)
    reader.expected = {409}
    page = reader.page
    await reader.open("/customer?id=cust_1&tab=pending")
    await expect(page.get_by_text("700 points pending until their orders")).to_be_visible()
    await page.keyboard.press("j")
    await page.keyboard.press("j")
    order_id = await page.locator("tr:has([aria-current]) .row-link").inner_text()
    points = {"order_1": 500, "order_2": 200}
    # The second row is selected, and each row has a release of its own.
    await page.keyboard.press("r")
    button = page.get_by_role("button", name=f"Release {points[order_id]} points")
    await expect(button).to_be_visible()
    # A colleague has the same form open, and is a moment later.
    colleague = await page.context.new_page()
    await colleague.goto(page.url)
    await button.press("Enter")
    await expect(page.get_by_text(f"Released: +{points[order_id]}.")).to_be_visible()
    await colleague.get_by_role("button", name=f"Release {points[order_id]} points").click()
    await expect(colleague.get_by_text(f"Released: +{points[order_id]}.")).to_be_visible()
    assert (await shop.status())["points_balance"] == points.pop(order_id)
    await reader.open(f"/customer/release?id=cust_1&order={order_id}")
    await expect(page.get_by_text("Nothing of this order is pending anymore")).to_be_visible()
    ((other_id, other_points),) = points.items()
    await reader.open(f"/customer/release?id=cust_1&order={other_id}")
    await shop.call("PATCH", "loyalty/customers/cust_1", {"status": "suspended", "note": "Who?"})
    await page.get_by_role("button", name=f"Release {other_points} points").click()
    await expect(page.get_by_role("alert")).to_contain_text("Suspended by test")
    await reader.open("/customer?id=cust_1&tab=pending")
    await expect(page.get_by_text("nothing is released")).to_be_visible()
    await expect(page.get_by_role("link", name="Release")).to_have_count(0)
    reader.check_faults()


async def test_an_award_may_have_a_last_day_of_its_own_also_without_javascript(
    new_reader: Any, shop: Shop
) -> None:
    program = await shop.program()
    reader = await new_reader(size=NARROW, javascript=False, key=shop.key)
    reader.expected = {422}
    page = reader.page
    await reader.open("/customer/points?do=award&id=cust_1")
    await expect(page.get_by_label("These points expire")).to_have_count(0)
    await shop.call("PATCH", f"loyalty-programs/{program['id']}", DATED)
    await reader.open("/customer/points?do=award&id=cust_1")
    await page.fill("[name=points]", "500")
    await page.fill("[name=reason]", "Goodwill")
    await expect(page.get_by_label("Last day")).to_be_hidden()
    await page.get_by_label("These points expire").select_option("date")
    await page.get_by_role("button", name="Show the effect").click()
    await expect(page.get_by_role("alert")).to_contain_text("Choose a last day")
    # The API knows which days are possible.
    for day in (f"{YEAR + 20}-01-01", f"{YEAR}-01-31"):
        await page.get_by_label("Last day").fill(day)
        await page.get_by_role("button", name="Award 500 points").click()
        if day != f"{YEAR}-01-31":
            await expect(page.get_by_role("alert")).to_contain_text("Choose a last day")
            await expect(page.get_by_label("Last day")).to_have_value(day)
    await expect(page.get_by_role("heading", level=1)).to_have_text("cust_1")
    await expect(page.get_by_text(f"500 points expire after Jan 31, {YEAR}")).to_be_visible()
    reader.check_faults()
