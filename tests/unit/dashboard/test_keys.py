"""The table of keys."""

from collections import Counter

from services.dashboard.domain.keys import KEYS, keys_of
from services.dashboard.domain.navigation import PAGES

PAGE_NAMES = [page.name for page in PAGES]


def test_no_page_has_a_key_twice() -> None:
    for page in PAGE_NAMES:
        counted = Counter(key.keys for key in keys_of(page))
        assert {keys: count for keys, count in counted.items() if count > 1} == {}


def test_no_key_is_the_beginning_of_another() -> None:
    for page in PAGE_NAMES:
        names = [key.keys for key in keys_of(page)]
        assert [
            (one, other) for one in names for other in names if other.startswith(f"{one} ")
        ] == []


def test_every_page_has_a_key_and_every_key_a_page() -> None:
    assert [key.target for key in KEYS if key.action == "go"] == PAGE_NAMES
    assert {key.page for key in KEYS} <= {None, *PAGE_NAMES}
