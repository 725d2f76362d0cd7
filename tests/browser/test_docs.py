"""The gateway's own pages: the API reference, the page to try it, and the error codes."""

from typing import Any

import pytest
from playwright.async_api import expect

from services.gateway.api.rendering import TEMPLATES
from tests.browser.reader import NARROW, WIDE
from tests.support import Shop

PATHS = {"docs": "/docs", "problems": "/problems", "problem": "/problems/insufficient_points"}


@pytest.mark.parametrize(("theme", "size"), [("light", NARROW), ("dark", WIDE)])
async def test_the_reference_and_the_error_codes_are_in_order(
    new_reader: Any, theme: str, size: dict[str, int]
) -> None:
    reader = await new_reader(theme, size)
    for name, path in PATHS.items():
        await reader.page.goto(reader.stack.gateway + path)
        await reader.check(name, full_page=name != "docs")


@pytest.mark.parametrize(("theme", "size"), [("light", NARROW), ("dark", WIDE)])
async def test_the_page_in_place_of_the_dashboard_is_in_order(
    new_reader: Any, theme: str, size: dict[str, int]
) -> None:
    reader = await new_reader(theme, size)
    variables = {"is_write": False, "address": "/dashboard", "request_id": "req_1"}
    await reader.page.set_content(TEMPLATES.render("dashboard_unavailable.html", variables))
    await reader.check("dashboard-unavailable")


async def test_a_reader_finds_an_operation_by_typing(new_reader: Any) -> None:
    reader = await new_reader()
    page = reader.page
    await page.goto(f"{reader.stack.gateway}/docs")
    await expect(page.locator("#address")).to_have_text(reader.stack.gateway)
    await page.keyboard.press("/")
    await page.keyboard.type("redeem post")
    matches = page.locator(".contents li a:visible")
    await expect(matches).to_have_count(1)
    await matches.click()
    await expect(page.locator("#redeem")).to_be_in_viewport()
    await expect(page.locator(".contents [aria-current]")).to_have_text("POSTRedeem")
    reader.check_faults()


async def test_a_request_can_be_tried_with_a_key(new_reader: Any, shop: Shop) -> None:
    reader = await new_reader()
    page = reader.page
    await page.goto(f"{reader.stack.gateway}/docs#getKey")
    await page.locator("#getKey").get_by_role("link", name="Try it").click()
    await page.get_by_role("button", name="Authorize").click()
    await page.locator(".auth-container input").fill(shop.key)
    await page.locator(".auth-container").get_by_role("button", name="Apply credentials").click()
    await page.locator(".modal-ux").get_by_role("button", name="Close").last.click()
    operation = page.locator("#operations-System-getKey")
    await operation.get_by_role("button", name="Try it out").click()
    await operation.get_by_role("button", name="Execute").click()
    await expect(
        operation.locator(".live-responses-table .response .response-col_status")
    ).to_contain_text("200")
    await expect(operation.locator(".live-responses-table")).to_contain_text(shop.store_id)
    reader.check_faults()
