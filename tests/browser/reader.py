"""A reader of the dashboard in a real browser, and where that browser comes from."""

import shutil
import subprocess
from typing import Any, Final
from urllib.parse import quote, urlsplit

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page

from tests import secrecy
from tests.support import ROOT, Stack

WIDE: Final = {"width": 1280, "height": 800}
NARROW: Final = {"width": 390, "height": 844}
ZONE: Final = "America/New_York"
SCREENSHOTS: Final = ROOT / "screenshots"
_NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_PACKAGED: Final = ROOT / "tests" / "browser" / "chromium.mjs"
INSTALL: Final = (
    "no Chromium: install one (Debian, Ubuntu: apt install chromium), or npm, with which `make test` "
    "installs it"
)


def find_chromium() -> str | None:
    """The Chromium on the PATH, else the one of the npm package that `make test` installs."""
    for name in _NAMES:
        path = shutil.which(name)
        if path is not None:
            return path
    node = shutil.which("node")
    if node is None or not (_PACKAGED.parent / "node_modules").exists():
        return None
    outcome = subprocess.run([node, _PACKAGED], capture_output=True, text=True, check=False)
    return outcome.stdout.strip() or None


class Reader:
    """A page of a signed-in reader, and everything that should not have happened on it."""

    def __init__(
        self, page: Page, stack: Stack, name: str, *, measures_contrast: bool = True
    ) -> None:
        self.page = page
        self.stack = stack
        self._name = name
        self._measures_contrast = measures_contrast
        self._faults: list[str] = []
        self._host = urlsplit(stack.gateway).netloc
        # Statuses that a test expects.
        self.expected: set[int] = set()
        page.on("console", self._see_message)
        page.on("pageerror", lambda error: self._faults.append(f"exception: {error}"))
        page.on("request", self._see_request)
        page.on("response", self._see_response)

    async def sign_in(self, key: str) -> None:
        """Sign in as a reader does, which leads to the overview."""
        await self.page.goto(f"{self.stack.gateway}/dashboard/sign-in")
        await self.page.fill("[name=api_key]", key)
        await self.page.click("main button")
        await self.page.wait_for_url(f"{self.stack.gateway}/dashboard")
        await self._keep_session_secret()

    async def take_session(self, key: str) -> None:
        """Be signed in, in the browser's zone, without rendering the pages that lead there."""
        context = self.page.context
        response = await context.request.post(
            f"{self.stack.gateway}/dashboard/sign-in",
            form={"api_key": key, "next": "/dashboard"},
            headers={"Sec-Fetch-Site": "same-origin"},
            max_redirects=0,
        )
        assert response.status == 303
        zone = {"name": "whale_zone", "value": quote(ZONE, safe="")}
        await context.add_cookies([{**zone, "url": f"{self.stack.gateway}/dashboard/"}])  # type: ignore[typeddict-item]
        await self._keep_session_secret()

    async def _keep_session_secret(self) -> None:
        for cookie in await self.page.context.cookies():
            if cookie["name"].endswith("session"):
                secrecy.keep_secret(cookie["value"], "the id of a session")

    async def open(self, path: str) -> None:
        """Open a page of the dashboard."""
        await self.page.goto(f"{self.stack.gateway}/dashboard{path}")

    async def check(self, what: str, *, full_page: bool = True) -> None:
        """Fail on everything that went wrong so far, on content wider than the screen, and on what axe
        finds; stores a screenshot, of the first screen alone where the page is very long."""
        SCREENSHOTS.mkdir(exist_ok=True)
        path = SCREENSHOTS / f"{what}-{self._name}.png"
        await self.page.screenshot(path=path, full_page=full_page)
        overflow = await self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert overflow == 0, f"{what} is {overflow} px too wide"
        rules = {"color-contrast": {"enabled": self._measures_contrast}}
        options = {"resultTypes": ["violations"], "rules": rules}
        results = (await Axe().run(self.page, options=options)).response
        violations = [
            (one["id"], [node["target"] for node in one["nodes"]]) for one in results["violations"]
        ]
        assert violations == [], f"{what}: {violations}"
        self.check_faults()

    def check_faults(self) -> None:
        assert self._faults == []

    def _see_message(self, message: Any) -> None:
        # A refused load is a line of its own; its status is checked below.
        if message.type in {"error", "warning"} and "status of" not in message.text:
            self._faults.append(f"console: {message.text}")

    def _see_request(self, request: Any) -> None:
        if urlsplit(request.url).netloc != self._host:
            self._faults.append(f"request to {request.url}")

    def _see_response(self, response: Any) -> None:
        if response.status >= 400 and response.status not in self.expected:
            self._faults.append(f"{response.status} {response.url}")
