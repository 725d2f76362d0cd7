"""The keys of the dashboard: one table for the script, the help and the test for duplicates."""

from typing import Final, Literal

from msgspec import Struct

# What the script does: `go` opens a link of the navigation, `click` the page's element with this
# `data-key`, and the others what their names say.
Action = Literal["help", "search", "go", "next", "previous", "newer", "older", "close", "click"]


class Key(Struct, frozen=True):
    """A key, or two keys after each other; `text` is the key of its description in the texts. `page` is
    the page that it belongs to, or None if it works everywhere."""

    keys: str
    action: Action
    text: str
    target: str = ""
    page: str | None = None


KEYS: Final = (
    Key("?", "help", "keys.help"),
    Key("/", "search", "keys.search"),
    Key("g o", "go", "keys.overview", "overview"),
    Key("g a", "go", "keys.anomalies", "anomalies"),
    Key("g c", "go", "keys.customers", "customers"),
    Key("g p", "go", "keys.program", "program"),
    Key("g r", "go", "keys.rewards", "rewards"),
    Key("g x", "go", "keys.operations", "operations"),
    Key("j", "next", "keys.next"),
    Key("k", "previous", "keys.previous"),
    Key("]", "older", "keys.older"),
    Key("[", "newer", "keys.newer"),
    Key("Escape", "close", "keys.close"),
    Key("e", "click", "keys.edit", page="program"),
    Key("e", "click", "keys.edit", page="rewards"),
    Key("a", "click", "keys.approve", page="anomalies"),
    Key("v", "click", "keys.void", page="anomalies"),
    Key("s", "click", "keys.suspend", page="anomalies"),
    Key("r", "click", "keys.claim", page="anomalies"),
    Key("w", "click", "keys.award", page="customers"),
    Key("e", "click", "keys.adjust", page="customers"),
    Key("r", "click", "keys.release", page="customers"),
    Key("p", "click", "keys.replay", page="operations"),
    Key("d", "click", "keys.drop", page="operations"),
)


def keys_of(page: str) -> tuple[Key, ...]:
    """The keys that work on a page: those of all pages, then its own."""
    return tuple(key for key in KEYS if key.page in {None, page})
