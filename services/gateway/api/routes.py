"""The routes of /v1, from the table of operations: the owning service and what a request may carry."""

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from functools import lru_cache
from itertools import zip_longest
from typing import Final

import msgspec
from msgspec import Raw, Struct

from libs.contracts.api import MAX_BATCH_ITEMS
from libs.contracts.operations import (
    CLOUD_EVENTS,
    OPERATIONS,
    Batch,
    Gateway,
    Operation,
    Owner,
    Scope,
)

_CUSTOMER: Final = re.compile(rb"(^|&)customer_id=")
_SLASH: Final = "%2f"
_ID: Final = "{id}"
_FIRST_STEP: Final = "loyalty"
# Comparing paths takes time with the square of their length.
_LONGEST_COMPARED: Final = 100


class Route(Struct, frozen=True):
    """The service that a method of a path is forwarded to, or the gateway itself, and what it takes."""

    operation: str
    service: Owner | Gateway
    # The path with placeholders, as the API's documentation prints it.
    path: str
    # None: any key may use it.
    scope: Scope | None
    largest_body: int
    media_types: tuple[str, ...]
    # The service that responds where the query names a customer: which rewards they can redeem.
    for_customer: Owner | None
    # How many requests it counts as in the rate limit, and the list in its body of which each entry
    # counts as one more.
    weight: int
    batch: Batch | None

    def owner(self, query: bytes) -> Owner | Gateway:
        """The service that a request with this query is forwarded to, or the gateway itself."""
        if self.for_customer is not None and _CUSTOMER.search(query):
            return self.for_customer
        return self.service

    def entries(self, media_type: str, body: bytes) -> int:
        """How many requests the body stands for; a body that its service will refuse as a whole is one."""
        if self.batch is None or (self.batch == "events" and media_type != CLOUD_EVENTS):
            return 1
        try:
            if self.batch != "events":
                body = bytes(_decode_members(body)[self.batch])
            count = len(_decode_list(body))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError):
            return 1
        return count if 1 <= count <= MAX_BATCH_ITEMS else 1


_decode_members: Final = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_list: Final = msgspec.json.Decoder(list[Raw]).decode


Methods = dict[str, Route]


def _route(operation: Operation) -> Route:
    return Route(
        operation=operation.id,
        service=operation.owner,
        path=f"/v1/stores/{{store_id}}/{operation.path}",
        scope=operation.scope,
        largest_body=operation.largest_body,
        media_types=operation.media_types,
        for_customer=operation.for_customer,
        weight=operation.weight,
        batch=operation.batch,
    )


def _by_path() -> dict[tuple[str, ...], Methods]:
    paths: dict[tuple[str, ...], Methods] = {}
    for operation in OPERATIONS:
        methods = paths.setdefault(tuple(operation.path.split("/")), {})
        methods[operation.method] = _route(operation)
    return paths


_PATHS: Final = _by_path()


def methods_of(segments: tuple[str, ...]) -> Methods | None:
    """The methods of the path with these segments, or None where there is no such path."""
    # Ids have no slashes, and a service that decodes an encoded one would see another path.
    if any(segment == "" or _SLASH in segment.lower() for segment in segments):
        return None
    return (
        _PATHS.get(segments)
        or _PATHS.get((*segments[:-1], _ID))
        or _PATHS.get((*segments[:-2], _ID, *segments[-1:]))
    )


def no_such_path(segments: Sequence[str]) -> str:
    """The text for a path inside a store that does not exist, with the path that was probably meant."""
    path = "/".join(segments)
    # A path without its first step is a common mistake.
    nearest = None
    if segments[0] != _FIRST_STEP:
        nearest = _nearest(f"{_FIRST_STEP}/{path}", least=0.9)
    nearest = nearest or _nearest(path, least=0.7)
    suggestion = f" Did you mean /v1/stores/me/{nearest}?" if nearest else ""
    return (
        f"There is nothing at this path.{suggestion} The API reference at /docs lists every path."
    )


# Wrong paths of a client that repeats them cost one comparison.
@lru_cache(maxsize=1_024)
def _nearest(path: str, *, least: float) -> str | None:
    if len(path) > _LONGEST_COMPARED:
        return None
    segments = path.split("/")
    likeness, _, nearest = max(
        (_likeness(steps, segments), -steps.count(_ID), steps) for steps in _PATHS
    )
    return "/".join(nearest) if likeness >= least else None


def _likeness(steps: Sequence[str], segments: Sequence[str]) -> float:
    """How similar the path's own words are to those of an existing path, from 0 to 1. Ids do not count,
    nor does the step with which almost every path begins."""
    sent = [
        segment
        for step, segment in zip_longest(steps, segments)
        if step != _ID and segment is not None
    ]
    words = [step for step in steps if step != _ID]
    if sent[:1] == words[:1] == [_FIRST_STEP] and len(sent) > 1 and len(words) > 1:
        sent, words = sent[1:], words[1:]
    return SequenceMatcher(None, "/".join(words), "/".join(sent)).ratio()
