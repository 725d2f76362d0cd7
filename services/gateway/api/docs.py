"""The pages at /docs and /docs/try: the OpenAPI document for people, to read and to try.

They are rendered once, when the gateway starts, and load nothing from another host.
"""

from collections.abc import Mapping
from typing import Any

from libs.web.asset_files import Assets
from services.gateway.api.reference import groups_of
from services.gateway.api.rendering import TEMPLATES


def render(document: Mapping[str, Any]) -> str:
    """The document as a page of HTML."""
    return TEMPLATES.render(
        "docs.html",
        {
            "page": "docs",
            "name": document["info"]["title"],
            "about": document["info"]["description"],
            "groups": groups_of(document),
        },
    )


def render_try(assets: Assets) -> str:
    """The page that sends requests; Swagger UI reads the document when the page is open."""
    return TEMPLATES.render("try.html", {"page": "try", "asset": assets.url})
