"""A real Chromium, one for the whole session, and signed-in pages in both themes and both widths."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, async_playwright, expect

from libs.testing.eventually import PATIENCE_SECONDS
from tests.browser.reader import INSTALL, NARROW, WIDE, ZONE, Reader, find_chromium
from tests.support import Shop, Stack, open_shop

# Playwright would wait for 5 s.
_PATIENCE_MS: Final = PATIENCE_SECONDS * 1_000
expect.set_options(timeout=_PATIENCE_MS)

LOOKS: Final = [
    pytest.param((theme, size), id=f"{theme}-{size['width']}")
    for theme in ("light", "dark")
    for size in (WIDE, NARROW)
]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    path = find_chromium()
    if path is None:
        pytest.skip(INSTALL)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=path,
            # Its sandbox needs rights that containers and root do not have.
            args=["--no-sandbox", "--disable-gpu"],
        )
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def new_reader(chromium: Browser, stack: Stack) -> AsyncIterator[Callable[..., Any]]:
    """A function that returns an empty page in a context of its own, signed in where it gets a key."""
    contexts: list[BrowserContext] = []

    async def create(
        theme: str = "light",
        size: dict[str, int] = WIDE,
        *,
        javascript: bool = True,
        key: str | None = None,
        measures_contrast: bool = True,
    ) -> Reader:
        context = await chromium.new_context(
            color_scheme=theme,  # type: ignore[arg-type]
            viewport=size,  # type: ignore[arg-type]
            reduced_motion="reduce",
            java_script_enabled=javascript,
            timezone_id=ZONE,
        )
        contexts.append(context)
        context.set_default_timeout(_PATIENCE_MS)
        reader = Reader(
            await context.new_page(),
            stack,
            f"{theme}-{size['width']}",
            measures_contrast=measures_contrast,
        )
        if key is not None:
            await reader.take_session(key)
        return reader

    yield create
    for context in contexts:
        await context.close()


@pytest_asyncio.fixture(loop_scope="session")
async def shop(stack: Stack) -> AsyncIterator[Shop]:
    """A store of the test's own, in the event loop of the browser."""
    async with open_shop(stack) as opened:
        yield opened


@pytest_asyncio.fixture(params=LOOKS, loop_scope="session")
async def reader(request: pytest.FixtureRequest, new_reader: Any, shop: Shop) -> Reader:
    """A signed-in reader of the test's own store, in each theme and width.

    Measuring the contrast of a page takes three times as long as all other checks: each theme and each
    width is measured once, and tests/unit/dashboard/test_tokens.py computes the contrast of the colors.
    """
    theme, size = request.param
    is_measured = (theme == "dark") == (size == WIDE)
    result: Reader = await new_reader(theme, size, key=shop.key, measures_contrast=is_measured)
    return result


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One event loop for all tests of this folder, since the browser belongs to one."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
