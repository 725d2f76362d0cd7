"""The pages in the order of the navigation, and the addresses of what they link to."""

from typing import Final
from urllib.parse import urlencode

from msgspec import Struct

ROOT: Final = "/dashboard"


class Page(Struct, frozen=True):
    """A page of the navigation: its name, address, icon, and the key of its title in the texts."""

    name: str
    path: str
    icon: str
    title: str


PAGES: Final = (
    Page("overview", ROOT, "layout-dashboard", "nav.overview"),
    Page("anomalies", f"{ROOT}/anomalies", "flag", "nav.anomalies"),
    Page("customers", f"{ROOT}/customers", "users", "nav.customers"),
    Page("program", f"{ROOT}/program", "sliders-horizontal", "nav.program"),
    Page("rewards", f"{ROOT}/rewards", "gift", "nav.rewards"),
    Page("operations", f"{ROOT}/operations", "activity", "nav.operations"),
)


def link(path: str, /, **query: object) -> str:
    """The address of a page below the root with its query; values that are None or empty are left out.

    Ids belong in the query: a path with the id `..` would be another path to every browser.
    """
    values = {
        name.rstrip("_"): str(value) for name, value in query.items() if value not in {None, ""}
    }
    address = f"{ROOT}/{path}" if path else ROOT
    return f"{address}?{urlencode(values)}" if values else address


def safe_next(target: str | None) -> str:
    r"""The page to return to after signing in: `target` if it is one of ours, else the first page.

    A browser takes `//host` and `/\host` for another host, and drops tabs and line breaks.
    """
    if target is None or any(character in target for character in "\\\t\r\n"):
        return ROOT
    path = target.partition("?")[0].partition("#")[0]
    is_ours = path == ROOT or path.startswith(f"{ROOT}/")
    return target if is_ours and "//" not in path and "/." not in path else ROOT
