"""No key and no secret is in what a process logs or a test prints: searched after each stack and each test."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tools.stack import config

# Any API key, however it was created.
_KEY: Final = re.compile(rb"wk_(?:live|test)_[A-Za-z0-9_-]{20,}")

_LINE_END: Final = b"\n"

# The API keys that this process of the tests created.
_keys: Final[set[bytes]] = set()
# What each other secret is, by its value.
_names: Final[dict[bytes, str]] = {}


def keep_key(key: str) -> str:
    """Search for this API key from now on; returns it."""
    _keys.add(key.encode())
    return key


def keep_secret(value: str, name: str) -> None:
    """Search for this secret from now on."""
    _names[value.encode()] = name


def keep_stack_secrets(home: Path) -> None:
    """Search for the secrets of the stack in this folder: its own, and the passwords that derive from
    them."""
    secrets = config.stack_secrets(home)
    for field in secrets.__struct_fields__:
        if value := getattr(secrets, field):
            keep_secret(value, field)
    for service in config.WITH_DATABASE:
        for role in (service, f"{service}_owner"):
            keep_secret(secrets.password_of(role), f"the password of {role}")


def find_in_text(text: str) -> list[str]:
    """The names of the secrets in what a test printed. Keys that the test made up are none."""
    content = text.encode(errors="replace")
    names = {name for value, name in _names.items() if value in content}
    if any(match[0] in _keys for match in _KEY.finditer(content)):
        names.add("an API key")
    return sorted(names)


def find_in_logs(folder: Path) -> list[str]:
    """Where a log in the folder contains a secret or what looks like a key: the file, the number of the
    line, and the name of the secret."""
    return [
        f"{path.name}:{content.count(_LINE_END, 0, place) + 1}: {name}"
        for path in sorted(folder.glob("*.log*"))
        for content in [path.read_bytes()]
        for place, name in _places(content)
    ]


def _places(content: bytes) -> Iterator[tuple[int, str]]:
    for match in _KEY.finditer(content):
        yield match.start(), "an API key"
    for value, name in _names.items():
        if (place := content.find(value)) >= 0:
            yield place, name
