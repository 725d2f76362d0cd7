"""The anomalies and the detectors in a browser: reviewed by keyboard and by mouse, by two people, and
without JavaScript."""

from collections.abc import Sequence
from typing import Any

from playwright.async_api import Page, expect

from libs.contracts.topics import ORDER_REFUNDED
from libs.kernel.clock import format_time, utc_now
from libs.testing.eventually import eventually
from tests.browser.reader import NARROW, Reader
from tests.flagging import list_anomalies, patch
from tests.support import Shop

HOSTILE = "<img src=x onerror=alert(1)>"
FORMS = {"a": "approve", "v": "void", "s": "suspend"}
# Counts every key but the letters of a note, across pages.
COUNT_KEYS = """addEventListener("keydown", (event) => {
  const isLetter = event.target.matches("input") && event.key.length === 1;
  if (!isLetter) sessionStorage.keys = Number(sessionStorage.keys || 0) + 1;
}, true)"""


async def flag(shop: Shop, *customers: str) -> Sequence[Any]:
    """A burst of ten awards of 100 points for each customer, and their anomalies, newest first."""
    await shop.program()
    for customer in customers:
        items = [{"customer_id": customer, "points": 100, "reason": HOSTILE}] * 10
        response = await shop.call("POST", "loyalty/earn/batch", {"items": items})
        assert {one["status"] for one in response.json["data"]} == {201}, response.raw

    async def look() -> Sequence[Any]:
        anomalies = await list_anomalies(shop)
        assert [one["points_involved"] for one in anomalies] == [1_000] * len(customers)
        return anomalies

    return await eventually(look)


async def status_of(shop: Shop, customer: str) -> tuple[int, str]:
    response = await shop.call("GET", f"loyalty/customers/{customer}")
    return response.json["points_balance"], response.json["status"]


async def becomes(shop: Shop, customer: str, balance: int, status: str) -> None:
    async def look() -> None:
        assert await status_of(shop, customer) == (balance, status)

    await eventually(look)


async def test_every_look_of_the_anomalies_is_in_order(reader: Reader, shop: Shop) -> None:
    page = reader.page
    await reader.open("/anomalies")
    await expect(page.get_by_text("No anomalies wait for review.")).to_be_visible()
    await reader.check("anomalies-empty")
    await flag(shop, "a&b+c|d", "\u05d0'b")
    await reader.open("/anomalies?customer=a%26b%2Bc%7Cd")
    await page.locator(".queue [data-row]").click()
    await expect(page.locator("#anomaly-title")).to_be_focused()
    await expect(page.get_by_text("10 point transactions in 1 minute").first).to_be_visible()
    await expect(page.locator(".detail .with-axis .flag").first).to_be_attached()
    await expect(page.locator(".detail .with-axis .threshold").first).to_be_attached()
    await reader.check("anomaly")
    reader.expected = {422}
    await page.get_by_role("link", name="Void 1,000 points").click()
    await page.locator("#field-note-void").evaluate("field => { field.required = false }")
    await page.get_by_role("button", name="Void 1,000 points").click()
    await expect(page.get_by_role("alert")).to_be_focused()
    await reader.check("anomaly-refused")
    await reader.open("/detectors")
    await page.get_by_role("button", name="Try").click()
    await expect(page.get_by_text("2 flagged").first).to_be_visible()
    await reader.check("detectors")


async def test_a_void_says_what_it_takes_of_points_that_wait(reader: Reader, shop: Shop) -> None:
    await shop.program(pending={"days": 14})
    completed_at = format_time(utc_now())
    await shop.publish_all(
        [shop.order(f"o{n}", total="10.00", completed_at=completed_at) for n in range(10)]
    )

    async def is_flagged() -> None:
        (anomaly,) = await list_anomalies(shop)
        assert anomaly["points_involved"] == 1_000

    await eventually(is_flagged)
    page = reader.page
    await reader.open("/anomalies")
    await page.locator(".queue [data-row]").click()
    await page.get_by_role("link", name="Void 1,000 points").click()
    effect = page.locator("#decide-void")
    await expect(effect).to_contain_text(
        "Removes 1,000 points. They are pending and are given up, so they never reach the balance. "
        "Balance 0 and lifetime points 0 stay as they are."
    )
    await reader.check("anomaly-pending")

    for order in ("o1", "o2"):
        response = await shop.call("POST", "loyalty/orders/release", {"order_id": order})
        assert response.status == 200, response.raw
    refund = shop.order("o3", refund_id="r1", amount="5", refunded_at=completed_at)
    await shop.publish(refund, topic=ORDER_REFUNDED)

    async def is_refunded() -> None:
        status = await shop.status()
        assert (status["points_balance"], status["points_pending"]) == (200, 750)

    await eventually(is_refunded)
    await reader.open("/anomalies")
    await page.locator(".queue [data-row]").click()
    await page.get_by_role("link", name="Void 950 points").click()
    await expect(effect).to_contain_text(
        "Removes 950 points: 1,000 less 50 already clawed back or given up. 750 of them are pending and "
        "are given up; the others leave the balance. Balance 200 → 0; lifetime points 200 → 0"
    )
    await expect(page.locator(".detail tbody")).to_contain_text("50 pending")
    await reader.check("anomaly-pending-in-part")
    await page.fill("#field-note-void", "A script ordered these")
    await page.get_by_role("button", name="Void 950 points").click()
    await expect(page.locator("[data-toast]")).to_contain_text("Voided")

    async def is_voided() -> None:
        status = await shop.status()
        assert (status["points_balance"], status["lifetime_points"]) == (0, 0)
        assert "points_pending" not in status

    await eventually(is_voided)


async def test_ten_anomalies_are_reviewed_by_keyboard(new_reader: Any, shop: Shop) -> None:
    """Without a mouse, with at most three keys for each and its note."""
    await flag(shop, *(f"cust_{number}" for number in range(10)))
    reader = await new_reader(key=shop.key)
    page: Page = reader.page
    await page.add_init_script(COUNT_KEYS)
    await reader.open("/anomalies")
    decided: dict[str, str] = {}
    before = 0
    for number in range(10):
        customer = await page.locator(".detail .panel-body bdi").first.inner_text()
        key = "avs"[number % 3]
        await page.keyboard.press(key)
        await expect(page.locator(f"#field-note-{FORMS[key]}")).to_be_focused()
        if key != "a":
            await page.keyboard.type("A script earned these")
        await page.keyboard.press("Enter")
        await expect(page.locator("[data-toast]")).to_contain_text(customer)
        await page.wait_for_load_state()
        decided[customer] = key
        if number < 9:
            await expect(page.locator("#anomaly-title")).to_be_focused()
        count = await page.evaluate("Number(sessionStorage.keys)")
        assert 2 <= count - before <= 3
        before = count
    await expect(page.get_by_text("All 10 reviewed")).to_be_visible()
    assert len(decided) == 10
    for customer, key in decided.items():
        await becomes(
            shop, customer, 0 if key == "v" else 1_000, "suspended" if key == "s" else "active"
        )
    reader.check_faults()


async def test_keys_choose_open_and_close(new_reader: Any, shop: Shop) -> None:
    await flag(shop, "cust_1", "cust_2")
    reader = await new_reader(key=shop.key)
    page: Page = reader.page
    await reader.open("/anomalies")
    await page.keyboard.press("j")
    await page.keyboard.press("Enter")
    await expect(page.locator("#anomaly-title")).to_be_focused()
    await expect(page.locator(".queue [data-row]").nth(1)).to_have_attribute("aria-current", "true")
    await page.wait_for_load_state()
    await page.keyboard.press("v")
    await page.keyboard.press("Escape")
    await expect(page.locator("#decide-void")).to_be_hidden()
    await page.keyboard.press("r")
    await expect(page.locator(".detail").get_by_text("In review by you")).to_be_visible()
    await page.wait_for_load_state()
    await page.keyboard.press("r")
    await expect(page.locator(".detail").get_by_text("In review by you")).to_be_hidden()
    reader.check_faults()


async def test_two_people_at_once_lose_no_note(new_reader: Any, shop: Shop) -> None:
    anomalies = await flag(shop, "cust_1", "cust_2")
    reader = await new_reader(key=shop.key)
    reader.expected = {409}
    page: Page = reader.page
    ben = await shop.stack.key(shop.store_id, name="Ben")
    first, second = anomalies
    await reader.open(f"/anomalies?id={first['id']}")
    await page.get_by_role("link", name="Void 1,000 points").click()
    await expect(
        page.get_by_text("Removes 1,000 points. Balance 1,000 → 0; lifetime points 1,000 → 0")
    ).to_be_visible()
    await page.fill("#field-note-void", HOSTILE)
    # Ben claims it after this page was opened.
    assert (await patch(shop, first, {"status": "in_review"}, key=ben)).status == 200
    await page.get_by_role("button", name="Void 1,000 points").click()
    await expect(page.get_by_text("This has changed since you opened it")).to_be_visible()
    await expect(page.locator(".detail").get_by_text("In review by Ben")).to_be_visible()
    await expect(page.locator("#field-note-void")).to_have_value(HOSTILE)
    assert await status_of(shop, first["customer_id"]) == (1_000, "active")
    await page.get_by_role("button", name="Void 1,000 points").click()
    await expect(page.locator("[data-toast]")).to_contain_text(first["customer_id"])
    await becomes(shop, first["customer_id"], 0, "active")
    # The next one is open already; Ben decides it, and the page says so by itself.
    await page.wait_for_load_state()
    await page.get_by_role("link", name="Void 1,000 points").click()
    await page.fill("#field-note-void", "mine")
    decision = {"status": "resolved", "resolution": "approved", "note": "A promotion"}
    assert (await patch(shop, second, decision, key=ben)).status == 200
    await expect(page.locator("#watch").get_by_text("Ben approved this")).to_be_visible()
    await expect(page.locator("#watch").get_by_text("A promotion")).to_be_visible()
    await expect(page.locator("#decide-void")).to_be_hidden()
    # Even a page that has not noticed yet does no harm, and returns the note.
    await page.locator("#decide-void form").evaluate("form => form.submit()")
    await expect(page.get_by_text("Your note: mine")).to_be_visible()
    assert await status_of(shop, second["customer_id"]) == (1_000, "active")
    reader.check_faults()


async def test_an_anomaly_is_decided_without_javascript(new_reader: Any, shop: Shop) -> None:
    await flag(shop, "cust_1")
    reader = await new_reader(size=NARROW, javascript=False, key=shop.key)
    page: Page = reader.page
    await reader.open("/anomalies")
    await page.locator(".queue [data-row]").click()
    await page.get_by_role("link", name="Suspend").click()
    await page.fill("#field-note-suspend", "Ask the customer")
    await page.get_by_role("button", name="Suspend the customer").click()
    await expect(page.get_by_text("All 1 reviewed")).to_be_visible()
    await becomes(shop, "cust_1", 1_000, "suspended")
    await page.get_by_role("link", name="Suspended", exact=True).click()
    await expect(page.locator(".queue").get_by_text("By test · ")).to_be_visible()
    await page.get_by_role("link", name="Approved", exact=True).click()
    await expect(page.get_by_text("No anomaly was approved yet.")).to_be_visible()
    reader.check_faults()


async def test_a_decision_with_an_unknown_outcome_is_repeated_once(
    new_reader: Any, shop: Shop
) -> None:
    (anomaly,) = await flag(shop, "cust_1")
    reader = await new_reader(key=shop.key)
    reader.expected = {503}
    page: Page = reader.page
    await reader.open("/anomalies")
    await page.keyboard.press("v")
    await expect(page.locator("#field-note-void")).to_be_focused()
    await page.keyboard.type("A script earned these")
    shop.stack.freeze("anomaly")
    try:
        await page.keyboard.press("Enter")
        heading = page.get_by_role("heading", name="We don't know yet whether this went through")
        await expect(heading).to_be_visible()
        await reader.check("outcome-unknown")
    finally:
        shop.stack.resume("anomaly")
    # The request that nobody waited for is carried out now.
    await becomes(shop, "cust_1", 0, "active")
    await page.get_by_role("button", name="Try again").click()
    await expect(page.locator("[data-toast]")).to_contain_text("Voided the points of cust_1.")
    resolved = (await shop.call("GET", f"loyalty/anomalies/{anomaly['id']}")).json
    assert (resolved["note"], resolved["version"]) == ("A script earned these", 2)
    reader.check_faults()


async def test_a_suspension_and_a_claim_have_a_way_back(new_reader: Any, shop: Shop) -> None:
    await flag(shop, "cust_1", "cust_2")
    reader = await new_reader(key=shop.key)
    page: Page = reader.page
    await reader.open("/anomalies?customer=cust_2")
    await page.keyboard.press("r")
    await expect(page.locator("[data-toast]")).to_contain_text("in review by you")
    await page.get_by_role("button", name="Undo").click()
    await expect(page.locator("[data-toast]")).to_contain_text("waits for review again")
    await reader.open("/anomalies?customer=cust_1")
    await page.keyboard.press("s")
    await expect(page.locator("#field-note-suspend")).to_be_focused()
    await page.keyboard.type("Ask the customer")
    await page.keyboard.press("Enter")
    # Before the suspension reached the account, this waits for it.
    await page.get_by_role("button", name="Reactivate").click()
    await expect(page.locator("[data-toast]")).to_contain_text("The account is active again.")
    await expect(page.get_by_role("heading", level=1)).to_have_text("cust_1")
    status = (await shop.call("GET", "loyalty/customers/cust_1")).json
    assert (status["status"], status["status_by"]) == ("active", "test")
    reader.check_faults()


async def test_what_a_detector_in_shadow_found_is_shown_and_not_decided(
    new_reader: Any, shop: Shop
) -> None:
    settings = {"rapid_earning": {"mode": "shadow", "count": 10, "window_seconds": 120}}
    assert (await shop.call("PUT", "loyalty/anomaly-settings", settings)).status == 200
    await shop.program()
    items = [{"customer_id": "cust_1", "points": 100, "reason": HOSTILE}] * 10
    assert (await shop.call("POST", "loyalty/earn/batch", {"items": items})).status == 200

    async def is_found() -> None:
        (finding,) = await list_anomalies(shop, "&mode=shadow")
        assert finding["points_involved"] == 1_000

    await eventually(is_found)
    reader = await new_reader(key=shop.key)
    page: Page = reader.page
    await reader.open("/detectors")
    await page.get_by_role("link", name="1 finding in shadow").click()
    await expect(page.get_by_role("link", name="In shadow")).to_have_attribute(
        "aria-current", "page"
    )
    await page.locator(".queue [data-row]").click()
    await expect(page.get_by_text("10 point transactions in 1 minute").first).to_be_visible()
    await expect(page.locator(".detail .with-axis .flag").first).to_be_attached()
    await expect(page.locator(".decide")).to_have_count(0)
    async with page.expect_response("**/anomalies/watch*"):
        await page.evaluate("document.body.dispatchEvent(new Event('watch'))")
    await expect(page.locator("#watch")).to_be_empty()
    await reader.check("anomaly-in-shadow")


async def test_a_key_without_manage_reads_and_tries(new_reader: Any, shop: Shop) -> None:
    (anomaly,) = await flag(shop, "cust_1")
    reader = await new_reader(key=await shop.stack.key(shop.store_id, scopes="read"))
    page: Page = reader.page
    await reader.open(f"/anomalies?id={anomaly['id']}")
    await expect(page.get_by_text("It needs the scope manage.")).to_be_visible()
    await expect(page.locator(".decide")).to_have_count(0)
    await reader.open("/detectors")
    await expect(page.get_by_role("button", name="Save")).to_have_count(0)
    await page.get_by_role("button", name="Try").click()
    await expect(page.get_by_text("1 flagged").first).to_be_visible()
    reader.check_faults()


async def test_settings_are_tried_and_saved_and_nobody_elses_are_lost(
    new_reader: Any, shop: Shop
) -> None:
    await flag(shop, "cust_1")
    reader = await new_reader(key=shop.key)
    reader.expected = {409, 422}
    page: Page = reader.page
    await reader.open("/detectors")
    count = page.locator("#field-rapid_earning-count")
    await count.fill("many")
    await page.get_by_role("button", name="Try").click()
    await expect(page.get_by_role("alert")).to_be_focused()
    await expect(count).to_have_attribute("aria-invalid", "true")
    await count.fill("11")
    await page.get_by_role("button", name="Try").click()
    await expect(page.get_by_text("0 flagged").first).to_be_visible()
    await expect(page.get_by_text("with the settings in force: 1")).to_be_visible()
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("The detectors were saved.")).to_be_visible()
    # Somebody else saves while this form is open.
    body = {"rapid_earning": {"mode": "review", "count": 20, "window_seconds": 120}}
    assert (await shop.call("PUT", "loyalty/anomaly-settings", body)).status == 200
    await count.fill("12")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("Somebody changed the settings")).to_be_visible()
    await expect(page.get_by_text("now in force: 20")).to_be_visible()
    await expect(count).to_have_value("12")
    settings = (await shop.call("GET", "loyalty/anomaly-settings")).json
    assert settings["rapid_earning"]["count"] == 20
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("The detectors were saved.")).to_be_visible()
    reader.check_faults()
