"""The frame of every page: in both themes and widths, by keyboard, without JavaScript, and in trouble."""

import re
from typing import Any

import pytest
from playwright.async_api import expect

from tests.browser.reader import NARROW, Reader
from tests.support import Shop


async def test_every_look_of_the_frame_is_in_order(reader: Reader, shop: Shop) -> None:
    await shop.program()
    assert (await shop.earn("cust_1", 12_500)).status == 201
    await reader.open("")
    await expect(reader.page.get_by_role("heading", name="Overview")).to_be_visible()
    await reader.check("overview")
    await reader.open("/components")
    await reader.check("components")
    await reader.page.click("[data-dialog=example]")
    await expect(reader.page.locator("#example")).to_be_visible()
    await reader.check("dialog")


async def test_the_pages_of_errors_stand_in_the_frame(reader: Reader) -> None:
    reader.expected = {404}
    await reader.open("/nothing-here")
    await expect(reader.page.get_by_role("heading", name="Page not found")).to_be_visible()
    await reader.check("not-found")


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_a_wrong_key_is_explained_where_it_was_typed(new_reader: Any, theme: str) -> None:
    reader = await new_reader(theme, NARROW)
    reader.expected = {422}
    await reader.open("/sign-in")
    await reader.page.fill("[name=api_key]", "not a key")
    await reader.page.keyboard.press("Enter")
    await expect(reader.page.get_by_role("alert")).to_be_focused()
    await expect(reader.page.locator("[name=api_key]")).to_have_attribute("aria-invalid", "true")
    await reader.check("sign-in-refused")


async def test_the_keys_lead_through_the_dashboard(new_reader: Any, shop: Shop) -> None:
    reader = await new_reader()
    page = reader.page
    await reader.sign_in(shop.key)
    await page.keyboard.press("?")
    await expect(page.locator("#help")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.locator("#help")).to_be_hidden()
    await page.keyboard.press("/")
    await expect(page.locator("#search-side")).to_be_focused()
    # In a field, a key is a letter.
    await page.keyboard.type("?")
    await expect(page.locator("#help")).to_be_hidden()
    await reader.open("/components")
    # The first row is the current one.
    for key, number in (("j", 1), ("j", 2), ("j", 2), ("k", 1)):
        await page.keyboard.press(key)
        await expect(page.locator("[data-row]").nth(number)).to_be_focused()
    await page.keyboard.press("g")
    await page.keyboard.press("o")
    await page.wait_for_url("**/dashboard")
    await page.click(".sidebar [name=shortcuts]")
    await expect(page.locator("body")).to_have_attribute("data-shortcuts", "off")
    await page.wait_for_load_state()
    await page.keyboard.press("?")
    await expect(page.locator("#help")).to_be_hidden()
    reader.check_faults()


async def test_everything_can_be_read_without_javascript(new_reader: Any, shop: Shop) -> None:
    await shop.program()
    assert (await shop.earn("cust_1", 12_500)).status == 201
    reader = await new_reader(size=NARROW, javascript=False)
    page = reader.page
    await reader.sign_in(shop.key)
    await expect(page.get_by_text("12,500").first).to_be_visible()
    await page.get_by_text("Show as table").first.click()
    await expect(
        page.get_by_role("table", name="Issued, Redeemed, Clawed back, Outstanding")
    ).to_be_visible()
    await page.locator(".topbar summary").click()
    await page.locator(".topbar [name=theme][value=dark]").click()
    await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    await page.get_by_role("link", name="Keyboard shortcuts").click()
    await expect(page.get_by_role("heading", name="Keyboard shortcuts")).to_be_visible()
    reader.check_faults()


async def test_the_overview_follows_the_ledger_without_reloading(
    new_reader: Any, shop: Shop
) -> None:
    await shop.program()
    assert (await shop.earn("cust_1", 500)).status == 201
    reader = await new_reader(key=shop.key)
    page = reader.page
    await reader.open("")
    await expect(page.locator(".c-issued .stat-value")).to_have_text("500")
    await page.evaluate("window.isTheSamePage = true")
    assert (await shop.earn("cust_1", 700)).status == 201
    await expect(page.locator(".c-issued .stat-value")).to_have_text("1,200")
    assert await page.evaluate("window.isTheSamePage")
    # The value of a column, by the arrow keys; the last one is that of today.
    await page.locator(".c-issued svg.plot").press("ArrowLeft")
    await expect(page.locator(".c-issued .readout")).to_have_text(re.compile(r"so far\): 1,200$"))
    await page.locator(".c-issued svg.plot").press("ArrowLeft")
    await expect(page.locator(".c-issued .readout")).to_have_text(re.compile(r"\d{4}: 0$"))
    reader.check_faults()


async def test_times_are_those_of_the_readers_zone(new_reader: Any, shop: Shop) -> None:
    reader = await new_reader()
    await reader.sign_in(shop.key)
    await reader.open("")
    await expect(reader.page.get_by_text("Times in America/New_York")).to_be_visible()
    reader.check_faults()
