"""The pages of the program and the rewards: read them, try a change, save it, and lose nothing."""

from typing import Any

from playwright.async_api import Route, expect

from tests.browser.reader import NARROW, Reader
from tests.support import Shop

HOSTILE = "<img src=x onerror=alert(1)> a&b a+b a'b \u202eabc"


LIFECYCLE = {
    "time_zone": "Europe/Berlin",
    "expiry": {"kind": "yearly", "dates": ["06-30", "12-31"], "at_least_days": 90},
    "remind_days": [30, 7, 1],
    "pending": {"days": 14, "from": "fulfilled"},
}


SETTINGS = {
    "time_zone": "America/New_York",
    "expiry": {"kind": "after", "months": 12, "round": "quarter"},
    "remind_days": [7, 30],
    "pending": {"days": 14, "from": "fulfilled"},
}
QUARTERS = "Points expire 12 months after they become available, at the end of the quarter."
FULFILLED = "Some days after the fulfillment"


async def settings_of(shop: Shop, program: Any) -> dict[str, Any]:
    """What of SETTINGS the program has."""
    stored = (await shop.call("GET", f"loyalty-programs/{program['id']}")).json
    return {name: stored[name] for name in SETTINGS if name in stored}


async def test_every_look_of_the_program_and_a_reward(reader: Reader, shop: Shop) -> None:
    program = await shop.program(**LIFECYCLE)
    body = {
        "name": HOSTILE,
        "points_cost": 500,
        "type": "perk",
        "min_tier": "Diamond",
        "image_url": "https://example.com/x.png",
        "metadata": {HOSTILE[:40]: HOSTILE},
    }
    reward = (await shop.call("POST", "loyalty/rewards", body)).json
    page = reader.page
    for name, path, text in (
        (
            "program",
            "/program",
            "at the end of the first Jun 30 or Dec 31 that is at least 90 days",
        ),
        ("program-edit", f"/program/edit?id={program['id']}", "After saving"),
        ("program-versions", f"/program/versions?id={program['id']}", "Version 1"),
        ("rewards", "/rewards", "Needs tier “Diamond”"),
        ("reward", f"/reward?id={reward['id']}", "nobody can redeem it"),
        ("reward-edit", f"/reward/edit?id={reward['id']}", "Lowest tier"),
        ("reward-delete", f"/reward/delete?id={reward['id']}", "never used again"),
    ):
        await reader.open(path)
        await expect(page.locator("main").get_by_text(text).first).to_be_visible()
        await reader.check(name)
    await reader.open("/rewards")
    await expect(page.get_by_role("link", name=HOSTILE)).to_be_visible()
    assert await page.locator("main img").count() == 0


async def test_a_new_program_is_previewed(reader: Reader, shop: Shop) -> None:
    page = reader.page
    await reader.open("/program/edit")
    preview = page.locator("#preview")
    await expect(preview).to_contain_text("Fill in the form to see what the program would mean.")
    await page.get_by_label("Name").first.fill("Whale Club")
    await page.get_by_label("Points expire").select_option("On fixed days of the year")
    await page.get_by_label("Days of the year").fill("6/30")
    await expect(preview.get_by_text("1,500", exact=True)).to_be_visible()
    await expect(preview).to_contain_text("expire after Jun 30")
    await reader.check("program-new")
    await shop.program()
    await page.get_by_label("Days of the year").fill("12/31")
    await expect(preview).to_contain_text("This would not be the default program")
    await expect(preview).not_to_contain_text("expire after")
    await reader.check("program-new-second")


async def refuse(route: Route) -> None:
    problem = {"code": "unavailable", "detail": "The dashboard service is unavailable."}
    await route.fulfill(status=503, json=problem, content_type="application/problem+json")


async def test_a_change_is_tried_reviewed_and_saved(new_reader: Any, shop: Shop) -> None:
    await shop.program()
    assert (await shop.earn("cust_1", 6_000)).status == 201
    reader = await new_reader(key=shop.key)
    page = reader.page
    await reader.open("/program")
    await page.keyboard.press("e")
    await page.wait_for_url("**/program/edit?*")
    rate = page.get_by_label("Points per currency unit")
    await rate.fill("20")
    effect = page.locator("#preview").get_by_text("1,000 → becomes 2,000")
    await expect(effect).to_be_visible()
    # A response of the gateway itself, which is no page, replaces nothing.
    reader.expected = {503}
    await page.route("**/program/edit*", refuse)
    async with page.expect_response(lambda response: response.status == 503):
        await rate.fill("30")
    await page.unroute("**/program/edit*")
    await expect(effect).to_be_visible()
    await rate.fill("20")
    # A tier more by the button: the form stays, with what was typed.
    await page.get_by_role("button", name="Add a tier").click()
    last = page.locator("fieldset").last
    await expect(last.get_by_label("Name")).to_be_focused()
    await last.get_by_label("Name").fill("Diamond")
    await last.get_by_label("From points").fill("5,500")
    await last.get_by_label("Multiplier").fill("4")
    await expect(page.locator("#preview").get_by_text("1 customer moves up")).to_be_visible()
    await page.get_by_label("Lines of orders").select_option("Kept from now on")
    await page.get_by_role("button", name="Review and save").click()
    await expect(page.get_by_text("points already given stay")).to_be_visible()
    await expect(page.get_by_role("row", name="New tier: Diamond")).to_be_visible()
    await expect(page.get_by_role("row", name="Lines of orders Not kept Kept")).to_be_visible()
    await reader.check("program-review")
    await page.get_by_role("button", name="Save 3 changes").click()
    await expect(page.get_by_text("The program was saved.")).to_be_visible()
    program = (await shop.call("GET", "loyalty-programs")).json["data"][0]
    assert (program["points_per_dollar"], program["version"]) == (20, 2)
    assert program["keep_items"] is True
    assert "Diamond" in [tier["name"] for tier in program["tiers"]]
    # Its first version again: the form has the values, and nothing is saved by that.
    await page.get_by_role("link", name="Versions").click()
    await page.get_by_role("link", name="Use these values again").click()
    await expect(page.get_by_label("Points per currency unit")).to_have_value("10")
    await expect(page.locator("fieldset")).to_have_count(len(program["tiers"]) - 1)
    reader.check_faults()


async def test_two_people_change_the_program_and_neither_loses_anything(
    new_reader: Any, shop: Shop
) -> None:
    program = await shop.program()
    reader = await new_reader(key=shop.key)
    reader.expected = {409}
    page = reader.page
    await reader.open(f"/program/edit?id={program['id']}")
    await page.get_by_label("Points per currency unit").fill("12")
    await page.get_by_role("button", name="Review and save").click()
    change = {"name": "Theirs"}
    path = f"loyalty-programs/{program['id']}"
    assert (await shop.call("PATCH", path, change)).status == 200
    await page.get_by_role("button", name="Save 1 change").click()
    await expect(page.get_by_text("Nothing was saved.")).to_be_visible()
    await expect(page.locator("[name=name]")).to_have_value("Theirs")
    await expect(page.get_by_label("Points per currency unit")).to_have_value("12")
    await reader.check("program-conflict")
    await page.get_by_role("button", name="Review and save").click()
    await page.get_by_role("button", name="Save 1 change").click()
    await expect(page.get_by_role("heading", name="Theirs")).to_be_visible()
    saved = (await shop.call("GET", path)).json
    assert (saved["name"], saved["points_per_dollar"]) == ("Theirs", 12)
    reader.check_faults()


async def test_the_first_program_is_created_without_javascript(new_reader: Any, shop: Shop) -> None:
    reader = await new_reader(size=NARROW, javascript=False, key=shop.key)
    reader.expected = {422}
    page = reader.page
    await reader.open("/program")
    await expect(page.get_by_text("No program yet")).to_be_visible()
    await page.get_by_role("link", name="Create the program").click()
    await page.get_by_role("button", name="Remove tier Gold").click()
    await page.get_by_role("button", name="Add a tier").click()
    last = page.locator("fieldset").last
    await last.get_by_label("Name").fill("Whale")
    await last.get_by_label("From points").fill("many")
    await last.get_by_label("Multiplier").fill("3")
    await page.get_by_role("button", name="Review and save").click()
    field = page.locator("[name='tiers.2.min_points']")
    await expect(field).to_have_attribute("aria-invalid", "true")
    await expect(field).to_have_value("many")
    await field.fill("9000")
    # The name is missing, which the API says; the error stands at the field.
    await page.get_by_role("button", name="Review and save").click()
    await expect(page.locator("[name=name]")).to_have_attribute("aria-invalid", "true")
    await page.locator("[name=name]").fill("Whale Club")
    await page.get_by_label("Points expire").select_option("On fixed days of the year")
    await page.get_by_label("Days of the year").fill("6/30")
    await page.get_by_role("button", name="Preview").click()
    preview = page.locator("#preview")
    await expect(preview.get_by_text("1,500", exact=True)).to_be_visible()
    await expect(preview).to_contain_text("expire after Jun 30")
    await page.get_by_role("button", name="Review and save").click()
    await page.get_by_role("button", name="Create the program").click()
    await expect(page.get_by_role("heading", name="Whale Club")).to_be_visible()
    await expect(page.get_by_text("Points expire at the end of the next Jun 30.")).to_be_visible()
    await expect(page.get_by_text("Whale", exact=True)).to_be_visible()
    await page.get_by_role("link", name="Edit").click()
    await page.get_by_label("Points per currency unit").fill("20")
    await page.get_by_role("button", name="Preview").click()
    await expect(page.locator("#preview").get_by_text("1,000 → becomes 2,000")).to_be_visible()
    reader.check_faults()


async def test_the_settings_of_expiry_are_tried_reviewed_and_saved(
    new_reader: Any, shop: Shop
) -> None:
    program = await shop.program()
    # The clock of the store, not the machine's, says what today is.
    assert (await shop.call("PUT", "loyalty/clock", {"now": "2030-11-29T12:00:00Z"})).status == 200
    reader = await new_reader(key=shop.key)
    reader.expected = {422}
    page = reader.page
    await reader.open(f"/program/edit?id={program['id']}")
    preview = page.locator("#preview")
    period = page.get_by_label("Period")
    await expect(period).to_be_hidden()
    await page.get_by_label("Points expire").select_option("After a period")
    await expect(page.get_by_label("Days of the year")).to_be_hidden()
    await page.get_by_label("Last day").select_option("End of that quarter")
    await page.get_by_label("Reminders").fill("30, 7, 1")
    for sentence in (
        "Points earned today (Nov 29, 2030) expire after Dec 31, 2031.",
        "Reminders on Dec 1, Dec 24, and Dec 30.",
        "From Jan 1, 2031 on, points expire after Mar 31, 2032.",
        "last at least until the end of Dec 31, 2031",
    ):
        await expect(preview.get_by_text(sentence)).to_be_visible()
    # What the API refuses stands at its field, also that of a list; what was typed stays.
    await period.fill("61")
    await page.get_by_label("Reminders").fill("366, 400")
    await page.get_by_label("Time zone").fill(HOSTILE)
    await page.get_by_role("button", name="Review and save").click()
    await expect(page.get_by_role("alert")).to_be_focused()
    for name in ("expiry.period", "remind_days", "time_zone"):
        await expect(page.locator(f"[name='{name}']")).to_have_attribute("aria-invalid", "true")
    problem = page.locator("#field-remind_days-error")
    await expect(problem).to_have_text("Reminders must be from 1 to 365.")
    await expect(page.get_by_label("Time zone")).to_have_value(HOSTILE)
    await reader.check("program-lifecycle-errors")
    await period.fill("12")
    await page.get_by_label("Reminders").fill("7, 30")
    await page.get_by_label("Time zone").fill("America/New_York")
    await page.get_by_label("Points of orders are available").select_option(label=FULFILLED)
    sentence = "Without a fulfillment, an order of today gives no points after May 28, 2031."
    await expect(preview.get_by_text(sentence)).to_be_visible()
    await page.get_by_role("button", name="Review and save").click()
    change = page.get_by_role("row", name=f"Expiry Points never expire. {QUARTERS}")
    await expect(change).to_be_visible()
    await expect(page.get_by_text("Points that wait already keep their days")).to_be_visible()
    await reader.check("program-lifecycle-review")
    await page.get_by_role("button", name="Save 4 changes").click()
    await expect(page.get_by_text(QUARTERS)).to_be_visible()
    assert await settings_of(shop, program) == SETTINGS
    reader.check_faults()


async def test_settings_of_expiry_are_removed_and_used_again(new_reader: Any, shop: Shop) -> None:
    program = await shop.program(**SETTINGS)
    reader = await new_reader(key=shop.key)
    page = reader.page
    await reader.open(f"/program/edit?id={program['id']}")
    await page.get_by_label("Points expire").select_option("Never")
    await page.get_by_label("Reminders").fill("")
    await page.get_by_label("Points of orders are available").select_option("Immediately")
    await page.get_by_label("Time zone").fill("")
    paused = page.locator("#preview").get_by_text("no longer expire by this setting")
    await expect(paused).to_be_visible()
    await page.get_by_role("button", name="Review and save").click()
    await page.get_by_role("button", name="Save 4 changes").click()
    await expect(page.get_by_text("Points never expire.")).to_be_visible()
    assert await settings_of(shop, program) == {}
    await page.get_by_role("link", name="Versions").click()
    first = page.get_by_role("region", name="Version 1")
    await expect(first.get_by_text(QUARTERS)).to_be_visible()
    await first.get_by_role("link", name="Use these values again").click()
    await page.get_by_role("button", name="Review and save").click()
    await page.get_by_role("button", name="Save 4 changes").click()
    await expect(page.get_by_text(QUARTERS)).to_be_visible()
    assert await settings_of(shop, program) == SETTINGS
    reader.check_faults()


async def test_a_reward_is_created_turned_off_and_deleted(new_reader: Any, shop: Shop) -> None:
    await shop.program()
    reader = await new_reader(key=shop.key)
    reader.expected = {422}
    page = reader.page
    await reader.open("/rewards")
    await expect(page.get_by_text("No rewards yet")).to_be_visible()
    await page.get_by_role("link", name="New reward").first.click()
    await page.get_by_label("Name").fill("Ten percent")
    await page.get_by_label("Worth").select_option("percent")
    await page.get_by_label("Percent", exact=True).fill("250")
    await page.get_by_role("button", name="Create the reward").click()
    await expect(page.get_by_role("alert")).to_be_focused()
    await page.get_by_label("Price in points").fill("1,000")
    await page.get_by_role("button", name="Create the reward").click()
    await expect(page.locator("[name='value.percent']")).to_have_attribute("aria-invalid", "true")
    await reader.check("reward-errors")
    await page.get_by_label("Percent", exact=True).fill("10")
    await page.get_by_label("Ends").fill("2031-03-01T12:00")
    await page.get_by_role("button", name="Create the reward").click()
    await expect(page.get_by_role("heading", name="Ten percent")).to_be_visible()
    reward = (await shop.call("GET", "loyalty/rewards?include=all")).json["data"][0]
    assert (reward["points_cost"], reward["value"]) == (1000, {"percent": 10})
    # Noon in New York, where the reader is.
    assert reward["ends_at"] == "2031-03-01T17:00:00.000Z"
    await page.get_by_role("button", name="Deactivate").click()
    await expect(page.get_by_text("is not active anymore")).to_be_visible()
    await page.get_by_role("button", name="Undo").click()
    await expect(page.get_by_role("button", name="Deactivate")).to_be_visible()
    await page.get_by_role("link", name="Delete the reward").click()
    await expect(page.locator("#delete")).to_contain_text("never used again")
    await page.locator("#delete").get_by_role("button", name="Delete the reward").click()
    await expect(page.get_by_text("No rewards yet")).to_be_visible()
    reader.check_faults()


async def test_two_people_change_a_reward_and_neither_loses_anything(
    new_reader: Any, shop: Shop
) -> None:
    await shop.program()
    body = {"name": "Mug", "points_cost": 800, "type": "perk", "id": "rwd_mug"}
    assert (await shop.call("POST", "loyalty/rewards", body)).status == 201
    reader = await new_reader(key=shop.key)
    reader.expected = {409}
    page = reader.page
    await reader.open("/reward/edit?id=rwd_mug")
    await page.get_by_label("Price in points").fill("900")
    await page.get_by_label("Description").fill(HOSTILE)
    ben = await shop.stack.key(shop.store_id, name="Ben")
    theirs = {"stock": 12, "points_cost": 850}
    path = "loyalty/rewards/rwd_mug"
    assert (await shop.call("PATCH", path, theirs, key=ben)).status == 200
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("Ben changed this reward")).to_be_visible()
    await expect(page.get_by_label("Price in points")).to_have_value("900")
    await expect(page.get_by_label("Stock")).to_have_value("12")
    await reader.check("reward-conflict")
    unchanged = (await shop.call("GET", path)).json
    assert (unchanged["points_cost"], unchanged["version"]) == (850, 2)
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text(HOSTILE)).to_be_visible()
    saved = (await shop.call("GET", path)).json
    assert (saved["points_cost"], saved["stock"], saved["description"]) == (900, 12, HOSTILE)
    reader.check_faults()


async def test_a_key_that_may_only_read_is_offered_no_change(
    new_reader: Any, shop: Shop, stack: Any
) -> None:
    program = await shop.program()
    key = await stack.key(shop.store_id, "read")
    reader = await new_reader(key=key)
    reader.expected = {403}
    await reader.open("/program")
    await expect(reader.page.get_by_role("link", name="Versions")).to_be_visible()
    assert await reader.page.get_by_role("link", name="Edit").count() == 0
    await reader.open(f"/program/edit?id={program['id']}")
    await expect(reader.page.get_by_text("It needs the scope manage.")).to_be_visible()
    reader.check_faults()
