"""HTML: Jinja with autoescape, components as macros, and texts from one file."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from jinja2_fragments import render_block
from lucide import _render_icon
from markupsafe import Markup

SHARED: Final = Path(__file__).with_name("templates")
ASSETS: Final = Path(__file__).with_name("assets")
COMPONENTS: Final = "components"


class Templates:
    """The templates in `folders`; those that services share are found too.

    A template sees the component macros as `ui`: `ui.badge(…)` is the macro `badge` in
    `components/badge.html`, which sees the variables of the page. An undefined variable is an error.
    """

    def __init__(self, *folders: Path, texts: Any = None) -> None:
        self.environment = Environment(
            loader=FileSystemLoader([*folders, SHARED]),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            extensions=["jinja2.ext.i18n", "jinja2.ext.do"],
        )
        self.environment.globals["icon"] = icon
        self._texts = texts
        if texts is not None:
            self.environment.install_gettext_translations(  # type: ignore[attr-defined]
                texts, newstyle=True
            )

    def render(self, name: str, variables: Mapping[str, Any]) -> str:
        """The whole page."""
        return self.environment.get_template(name).render(self._with_components(variables))

    def render_block(self, name: str, block: str, variables: Mapping[str, Any]) -> str:
        """One block of the page, to replace what the reader's browser shows of it."""
        return render_block(self.environment, name, block, self._with_components(variables))

    def text(self, key: str) -> str:
        """A text for what is no template."""
        text: str = self._texts.gettext(key)
        return text

    def words(self, value: object, family: str) -> str:
        """The text for a value of the API, with the key `family.value`. A value without a text, such as
        one that is newer than this version, is shown as it is."""
        key = f"{family}.{value}"
        text = self.text(key)
        return str(value) if text == key else text

    def _with_components(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        values = dict(variables)
        values["ui"] = Components(self.environment, values)
        return values


class Components:
    """The macros of the folder `components`, each loaded when a page first uses it."""

    def __init__(self, environment: Environment, variables: Mapping[str, Any]) -> None:
        self._environment = environment
        self._variables = variables

    def __getattr__(self, name: str) -> Any:
        template = self._environment.get_template(f"{COMPONENTS}/{name}.html")
        macro = getattr(template.make_module(dict(self._variables)), name)
        # The next use finds it without this method.
        self.__dict__[name] = macro
        return macro


@lru_cache(maxsize=256)
def icon(name: str, size: int = 16) -> Markup:
    """A lucide icon as SVG; it is decoration, so the text next to it says the same."""
    return Markup(  # noqa: S704  the package's own drawing
        _render_icon(name, size, aria_hidden="true", focusable="false", **{"class": "icon"})
    )


def package_file(package: str, path: str) -> bytes:
    """A file that a package ships, without importing the package; raises FileNotFoundError."""
    spec = find_spec(package)
    folders: Sequence[str] = [] if spec is None else spec.submodule_search_locations or []
    for folder in folders:
        file = Path(folder) / path
        if file.exists():
            return file.read_bytes()
    raise FileNotFoundError(
        f"The package {package} with {path} is not installed: install requirements/assets, as "
        "`make up` does."
    )
