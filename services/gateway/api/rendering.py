"""The templates of the pages outside /v1, and what they may use."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from libs.web.asset_files import Assets
from libs.web.templates import ASSETS, Templates, package_file
from services.gateway.api import prose
from services.gateway.api.reference import to_try

_HERE: Final = Path(__file__).parents[1]
_SWAGGER_UI: Final = "flask_swagger_ui"


def create_assets(document: Mapping[str, Any]) -> Assets:
    """The files of Swagger UI, from the package that ships it, and the document that it shows; all else
    stands in the pages."""
    files = {
        name: package_file(_SWAGGER_UI, f"dist/{name}")
        for name in ("swagger-ui.css", "swagger-ui-bundle.js")
    }
    files["openapi.json"] = msgspec.json.encode(to_try(document))
    return Assets("/docs/assets", files)


def create_templates() -> Templates:
    """The templates; they include the style sheets and scripts, so a page is one file."""
    templates = Templates(_HERE / "templates", _HERE / "assets", ASSETS)
    templates.environment.globals |= {"spans": prose.spans, "paragraphs": prose.paragraphs}
    return templates


TEMPLATES: Final = create_templates()
