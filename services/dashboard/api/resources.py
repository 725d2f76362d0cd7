"""What the pages use: the parts that the composition root puts into the app's state."""

from pathlib import Path
from typing import Any, Final

from litestar import Request
from msgspec import Struct

from libs.web.asset_files import Assets
from libs.web.templates import ASSETS, Templates, package_file
from libs.web.texts import load_texts
from services.dashboard.clients import Clients
from services.dashboard.domain import formatting
from services.dashboard.domain.navigation import ROOT, link
from services.dashboard.handlers.panels import Shared, is_failed
from services.dashboard.store.sessions import Sessions

PageRequest = Request[Any, Any, Any]

_HERE: Final = Path(__file__).parents[1]
_HTMX: Final = ("django_htmx", "static/django_htmx/htmx-2.min.js")


class Dashboard(Struct, frozen=True, kw_only=True):
    """The parts of the app."""

    clients: Clients
    sessions: Sessions
    templates: Templates
    assets: Assets
    shared: Shared
    is_local: bool


def dashboard_of(request: PageRequest) -> Dashboard:
    """The parts of the app that received the request."""
    parts: Dashboard = request.app.state["dashboard"]
    return parts


def create_assets() -> Assets:
    """The style sheet, the dashboard's own script, and htmx from its package."""
    sheets = (ASSETS / "tokens.css", ASSETS / "shared.css", _HERE / "assets/dashboard.css")
    style = b"".join(sheet.read_bytes() for sheet in sheets)
    return Assets(
        f"{ROOT}/assets",
        {
            "dashboard.css": style,
            "dashboard.js": (_HERE / "assets/dashboard.js").read_bytes(),
            "htmx.js": package_file(*_HTMX),
            "icon.svg": (_HERE / "assets/icon.svg").read_bytes(),
        },
    )


def create_templates(assets: Assets) -> Templates:
    """The templates, with the texts and the formats that every page may use."""
    templates = Templates(_HERE / "templates", texts=load_texts(_HERE / "texts" / "en.po"))
    environment = templates.environment
    environment.globals |= {"asset": assets.url, "link": link}
    environment.tests["failed"] = is_failed
    environment.filters |= {
        "number": formatting.number,
        "exact": formatting.exact,
        "signed": formatting.signed,
        "factor": formatting.factor,
        "day": formatting.day,
        "short_day": formatting.short_day,
        "month": formatting.month,
        "yearly_day": formatting.yearly_day,
        "all_of": formatting.all_of,
        "any_of": formatting.any_of,
        "money": formatting.money,
        "short_money": formatting.short_money,
        "plain": formatting.plain_number,
        "words": templates.words,
    }
    return templates
