"""The overview of a store whose points expire and wait: in both themes and widths."""

import re
from datetime import timedelta
from itertools import product
from typing import Any

from playwright.async_api import expect

from libs.kernel.clock import format_time, utc_now
from libs.testing.eventually import eventually
from tests.browser.reader import NARROW, WIDE, Reader
from tests.support import Shop


async def is_forecast(shop: Shop) -> bool:
    forecast = (await shop.call("GET", "loyalty/expirations")).json
    summary = (await shop.call("GET", "loyalty/summary")).json
    return len(forecast["data"]) == 2 and summary.get("points_pending") == 500


async def test_the_overview_shows_what_expires_and_what_waits(new_reader: Any, shop: Shop) -> None:
    today = utc_now().date()
    await shop.program(expiry={"kind": "after", "months": 12}, pending={"days": 14})
    for customer, days in (("cust_1", 10), ("cust_2", 10), ("cust_2", 90), ("cust_3", 91)):
        award = {"customer_id": customer, "points": 1_200, "reason": "Birthday bonus"}
        last_day = str(today + timedelta(days=days))
        response = await shop.call("POST", "loyalty/earn", {**award, "expires_on": last_day})
        assert response.status == 201
    await shop.publish(shop.order("order_1", completed_at=format_time(utc_now())))
    await eventually(lambda: is_forecast(shop))
    for theme, size in product(("light", "dark"), (WIDE, NARROW)):
        reader: Reader = await new_reader(theme, size, key=shop.key)
        await reader.open("")
        page = reader.page
        panel = page.get_by_role("region", name="Points that expire")
        await expect(panel.locator(".stat-value")).to_have_text("3,600")
        await expect(panel).to_contain_text(
            re.compile("Next 2,400 points of 2 customers, last day")
        )
        await expect(page.get_by_text("Pending 500 points wait before")).to_be_visible()
        # The week of the last of the 90 days, by keyboard.
        await panel.locator("svg.plot").press("ArrowLeft")
        await expect(panel.locator(".readout")).to_have_text(re.compile(r"\d{4}: 1,200$"))
        await panel.get_by_text("Show as table").click()
        await expect(panel.get_by_role("row", name=re.compile("2,400$"))).to_be_visible()
        await reader.check("overview-expiring")
