"""The dashboard's doors: signing in and out, sessions, forged requests, and what each response carries."""

import re
import time
from collections.abc import AsyncIterator
from hashlib import sha256
from html import unescape
from http.cookies import SimpleCookie

import aiohttp
import msgspec
import pytest
from redis.asyncio import Redis

from libs.testing.eventually import eventually
from services.dashboard.store.sessions import Sessions
from tests import secrecy
from tests.support import Shop
from tools.stack import config

_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


class Browser:
    """A browser without JavaScript, which follows no redirect and stores cookies by name."""

    def __init__(self, shop: Shop, session: aiohttp.ClientSession) -> None:
        self._base = shop.stack.gateway
        self._session = session
        self.cookies: dict[str, str] = {}
        self.set_cookies: list[str] = []

    async def send(
        self, method: str, path: str, form: dict[str, str] | None = None, **headers: str
    ) -> tuple[aiohttp.ClientResponse, str]:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        async with self._session.request(
            method, self._base + path, data=form, headers=sent, allow_redirects=False
        ) as response:
            text = await response.text()
        self.set_cookies = response.headers.getall("Set-Cookie", [])
        for line in self.set_cookies:
            for name, morsel in SimpleCookie(line).items():
                self.cookies[name] = morsel.value
                if name.endswith("session") and morsel.value:
                    secrecy.keep_secret(morsel.value, "the id of a session")
        return response, text

    async def sign_in(self, key: str, next_: str = "/dashboard", **headers: str) -> tuple[int, str]:
        """Sign in; returns the status, and the address that it leads to or the page."""
        form = {"api_key": key, "next": next_}
        sent = headers or {"Sec_Fetch_Site": "same-origin"}
        response, text = await self.send("POST", "/dashboard/sign-in", form, **sent)
        return response.status, response.headers.get("Location", text)

    async def token(self) -> str:
        """The token in the forms of the session's pages."""
        _, text = await self.send("GET", "/dashboard/keys")
        match = _TOKEN.search(text)
        assert match is not None, text
        return unescape(match[1])


@pytest.fixture
async def browser(shop: Shop) -> AsyncIterator[Browser]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield Browser(shop, session)


async def test_a_session_begins_with_a_new_id_in_a_cookie_that_no_script_reads(
    shop: Shop, browser: Browser
) -> None:
    # An id that somebody else chose for this browser.
    browser.cookies["whale_session"] = "chosen-by-an-attacker"
    assert await browser.sign_in(shop.key) == (303, "/dashboard")
    (line,) = browser.set_cookies
    assert browser.cookies["whale_session"] not in {"", "chosen-by-an-attacker"}
    attributes = {part.strip().lower() for part in line.split(";")[1:]}
    assert {"httponly", "samesite=lax", "path=/dashboard"} <= attributes
    assert "secure" not in attributes
    first = browser.cookies["whale_session"]
    assert await browser.sign_in(shop.key) == (303, "/dashboard")
    assert browser.cookies["whale_session"] != first
    # Signing in again ended the earlier session.
    browser.cookies["whale_session"] = first
    response, _ = await browser.send("GET", "/dashboard/keys")
    assert response.headers["Location"] == "/dashboard/sign-in?next=%2Fdashboard%2Fkeys&ended=1"


async def test_with_tls_the_cookie_is_for_tls_only(shop: Shop, browser: Browser) -> None:
    await browser.sign_in(shop.key, Sec_Fetch_Site="same-origin", X_Forwarded_Proto="https")
    (line,) = browser.set_cookies
    assert line.startswith("__Secure-whale_session=")
    assert "secure" in {part.strip().lower() for part in line.split(";")}


async def test_signing_out_ends_the_session(shop: Shop, browser: Browser) -> None:
    await browser.sign_in(shop.key)
    form = {"csrf_token": await browser.token()}
    session_id = browser.cookies["whale_session"]
    response, _ = await browser.send("POST", "/dashboard/sign-out", form, **_same_origin())
    assert response.status == 303
    browser.cookies["whale_session"] = session_id
    response, _ = await browser.send("GET", "/dashboard/keys")
    assert response.status == 303


async def test_a_session_is_encrypted_and_ends_after_twelve_hours_of_use(
    shop: Shop, browser: Browser
) -> None:
    await browser.sign_in(shop.key)
    session_id = browser.cookies["whale_session"]
    name = "dashboard:session:" + sha256(session_id.encode()).hexdigest()
    async with Redis.from_url(shop.stack.addresses.redis) as redis:
        stored = await redis.get(name)
        assert isinstance(stored, bytes)
        assert shop.key.encode() not in stored
        assert shop.store_id.encode() not in stored
        # The names hold no id that somebody who reads them could sign in with.
        assert [key async for key in redis.scan_iter(f"*{session_id}*")] == []
        secret = config.stack_secrets(shop.stack.home).session_secret
        sessions = Sessions(redis, secret=secret, idle_seconds=7_200, max_seconds=43_200)
        session = await sessions.find(session_id)
        assert session is not None
        for age, status in ((43_100, 200), (43_201, 303)):
            earlier = msgspec.structs.replace(session, created_at=time.time() - age)
            await sessions.change(session_id, earlier)
            response, _ = await browser.send("GET", "/dashboard/keys")
            assert response.status == status
        assert response.headers["Location"].endswith("&ended=1")
        assert await redis.get(name) is None


async def test_while_redis_is_down_nobody_is_signed_out_and_nobody_signs_in(
    shop: Shop, browser: Browser
) -> None:
    await browser.sign_in(shop.key)
    cookies = dict(browser.cookies)
    shop.stack.freeze("redis")
    try:
        response, text = await browser.send("GET", "/dashboard/keys")
        assert response.status == 503
        assert "Sessions are not available right now" in text
        assert "You are still signed in." in text
        status, text = await browser.sign_in(shop.key)
        assert status == 503
        assert "The service does not respond right now." in text
        assert shop.key not in text
    finally:
        shop.stack.resume("redis")
    assert browser.cookies == cookies

    async def is_signed_in() -> None:
        response, _ = await browser.send("GET", "/dashboard/keys")
        assert response.status == 200

    await eventually(is_signed_in)


async def test_without_a_posting_in_the_range_the_overview_shows_the_last_ones(
    shop: Shop, browser: Browser
) -> None:
    await shop.program()
    await shop.publish(shop.order("order_1", completed_at="2024-02-29T12:00:00Z"))
    await shop.balance_becomes(500)
    await browser.sign_in(shop.key)

    async def is_shown() -> None:
        for address in ("/dashboard", "/dashboard?range=7d"):
            _, text = await browser.send("GET", address)
            assert "the 30 days up to the last posting: Jan 31, 2024 to Feb 29, 2024" in text
            assert "<tr><td>Feb 29, 2024<td>500<td>" in text

    # The summary is up to 5 seconds behind.
    await eventually(is_shown)
    _, text = await browser.send("GET", "/dashboard?range=all")
    assert "up to the last posting" not in text


async def test_each_key_that_does_not_sign_in_has_its_reason(shop: Shop, browser: Browser) -> None:
    without_read = await shop.stack.key(shop.store_id, "earn")
    for key, reason in (
        ("hello", "This is not an API key."),
        ("wk_live_" + "a" * 40, "This key is not known, or it was revoked."),
        (without_read, "This key may not read."),
    ):
        status, page = await browser.sign_in(key)
        assert status == 422
        assert reason in unescape(page)
        assert browser.cookies == {}
        assert key not in page


async def test_a_revoked_key_ends_its_sessions(shop: Shop, browser: Browser) -> None:
    key = await shop.stack.key(shop.store_id, "read")
    await browser.sign_in(key)
    shop.stack.run("key-revoke", "--key", key[:20])

    async def is_signed_out() -> None:
        response, _ = await browser.send("GET", "/dashboard")
        assert response.headers.get("Location") == "/dashboard/sign-in?next=%2Fdashboard&ended=1"

    await eventually(is_signed_out)


@pytest.mark.parametrize("target", ["//evil.example/", "/\\evil.example", "https://evil.example"])
async def test_signing_in_leads_to_no_other_site(shop: Shop, browser: Browser, target: str) -> None:
    assert await browser.sign_in(shop.key, target) == (303, "/dashboard")


async def test_signing_in_leads_back_to_the_page(shop: Shop, browser: Browser) -> None:
    response, _ = await browser.send("GET", "/dashboard/keys?a=b")
    assert response.headers["Location"] == "/dashboard/sign-in?next=%2Fdashboard%2Fkeys%3Fa%3Db"
    target = "/dashboard/keys?a=b"
    assert await browser.sign_in(shop.key, target) == (303, target)


async def test_a_write_of_another_site_is_refused(shop: Shop, browser: Browser) -> None:
    await browser.sign_in(shop.key)
    form = {"csrf_token": await browser.token(), "theme": "dark"}
    host = shop.stack.gateway.removeprefix("http://")
    accepted = (_same_origin(), {"Origin": f"http://{host}"})
    refused: tuple[dict[str, str], ...] = (
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "none"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {},
        {"Sec_Fetch_Site": "cross-site", "Origin": f"http://{host}"},
    )
    for headers in accepted:
        response, _ = await browser.send("POST", "/dashboard/preferences", form, **headers)
        assert response.status == 303, headers
    for headers in refused:
        response, text = await browser.send("POST", "/dashboard/preferences", form, **headers)
        assert response.status == 403, headers
        assert "This form is not valid anymore" in text
    for headers in refused:
        status, _ = await browser.sign_in(shop.key, **(headers or {"X_None": "1"}))
        assert status == 403, headers


async def test_a_write_needs_the_token_of_its_own_session(shop: Shop, browser: Browser) -> None:
    await browser.sign_in(shop.key)
    other = await browser.token()
    await browser.sign_in(shop.key)
    for form in ({}, {"csrf_token": ""}, {"csrf_token": "é"}, {"csrf_token": other}):
        sent = {"theme": "dark", **form}
        response, _ = await browser.send("POST", "/dashboard/preferences", sent, **_same_origin())
        assert response.status == 403, form


async def test_preferences_last_as_long_as_the_session(shop: Shop, browser: Browser) -> None:
    await browser.sign_in(shop.key)
    form = {"csrf_token": await browser.token(), "next": "/dashboard/keys"}
    for change in ({"theme": "dark"}, {"shortcuts": "off"}, {"theme": "<script>"}):
        response, _ = await browser.send(
            "POST", "/dashboard/preferences", {**form, **change}, **_same_origin()
        )
        assert (response.status, response.headers["Location"]) == (303, "/dashboard/keys")
    _, text = await browser.send("GET", "/dashboard/keys")
    assert 'data-theme="dark"' in text
    assert 'data-shortcuts="off"' in text


async def test_a_page_is_neither_stored_nor_framed_nor_given_more_than_it_needs(
    shop: Shop, browser: Browser
) -> None:
    await browser.sign_in(shop.key)
    for path, status in (
        ("/dashboard/sign-in", 200),
        ("/dashboard", 200),
        ("/dashboard/nope", 404),
    ):
        response, _ = await browser.send("GET", path)
        assert response.status == status
        assert response.headers.getall("Cache-Control") == ["no-store"]
        assert response.headers.getall("Referrer-Policy") == ["same-origin"]
        assert response.headers.getall("X-Content-Type-Options") == ["nosniff"]
        (policy,) = response.headers.getall("Content-Security-Policy")
        assert "unsafe" not in policy
        assert {"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"} <= set(
            policy.split("; ")
        )


async def test_assets_are_stored_for_good_and_fit_the_budget(shop: Shop, browser: Browser) -> None:
    _, text = await browser.send("GET", "/dashboard/sign-in")
    addresses = re.findall(r'(?:src|href)="(/dashboard/assets/[^"]+)"', text)
    assert len(addresses) == 4
    size = len(text)
    for address in addresses:
        response, body = await browser.send("GET", address, Accept_Encoding="gzip")
        assert "immutable" in response.headers["Cache-Control"]
        assert response.headers["Content-Encoding"] == "gzip"
        size += len(body)
        changed = address.replace(".", ".0", 1)
        response, _ = await browser.send("GET", changed)
        assert response.status == 404
    assert size <= 150_000


async def test_what_a_shop_wrote_is_shown_as_text(shop: Shop, browser: Browser) -> None:
    hostile = '"><img src=x onerror=alert(1)>'
    await shop.program(tiers=[{"name": hostile, "min_points": 0, "multiplier": 1}])
    assert (await shop.earn("a&b+c'", 500)).status == 201
    await browser.sign_in(shop.key)
    for path in ("/dashboard", "/dashboard/search?q=%3Cscript%3Ealert(1)%3C/script%3E"):
        _, text = await browser.send("GET", path)
        assert "<img src=x" not in text
        assert "<script>alert" not in text
    _, text = await browser.send("GET", "/dashboard")
    assert hostile in unescape(text)


async def test_a_suspension_is_undone_only_once_it_has_reached_the_account(
    shop: Shop, browser: Browser
) -> None:
    """One that a review decided would otherwise follow its own undoing, and stay."""
    await shop.program()
    assert (await shop.earn("cust_1", 500)).status == 201
    await browser.sign_in(shop.key)
    form = {"csrf_token": await browser.token()}
    undo = "/dashboard/customer/action?id=cust_1&do=reactivate&suspended=yes"
    response, text = await browser.send("POST", undo, form, **_same_origin())
    assert response.status == 409
    assert "The suspension has not reached the account yet." in text
    # The form that says so can undo it later.
    assert f'action="{undo}"' in unescape(text)
    body = {"status": "suspended", "note": "A script"}
    assert (await shop.call("PATCH", "loyalty/customers/cust_1", body)).status == 200
    response, _ = await browser.send("POST", undo, form, **_same_origin())
    assert response.status == 303
    assert (await shop.status())["status"] == "active"


async def test_a_search_leads_to_a_customer_or_to_those_whose_ids_begin_so(
    shop: Shop, browser: Browser
) -> None:
    await shop.program()
    for customer in ("ann&co", "anna"):
        assert (await shop.earn(customer, 5)).status == 201
    await shop.publish(shop.order("order-7", customer_id="anna"))
    await shop.stack.drained()
    await browser.sign_in(shop.key)
    for text, address in (
        ("ann%26co", "/dashboard/customer?id=ann%26co"),
        ("ann", "/dashboard/customers?query=ann"),
        ("order-7", "/dashboard/customer?id=anna&tab=orders&order=order-7"),
        ("", "/dashboard/customers"),
    ):
        response, _ = await browser.send("GET", f"/dashboard/search?q={text}")
        assert response.headers.get("Location") == address
    response, _ = await browser.send("GET", "/dashboard/search?q=..")
    assert response.status == 404


def _same_origin() -> dict[str, str]:
    return {"Sec_Fetch_Site": "same-origin"}
