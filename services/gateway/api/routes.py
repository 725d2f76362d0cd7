"""The routes of /v1, from the table of operations: who answers, and what a request may bring."""

import re
from typing import Final

import msgspec
from msgspec import Raw, Struct

from libs.contracts.api import MAX_BATCH_ITEMS
from libs.contracts.operations import CLOUD_EVENTS, OPERATIONS, Batch, Operation, Owner, Scope

_CUSTOMER: Final = re.compile(rb"(^|&)customer_id=")
_SLASH: Final = "%2f"


class Route(Struct, frozen=True):
    """Where a method of a path goes, and what it takes."""

    service: Owner
    scope: Scope
    largest_body: int
    media_types: tuple[str, ...]
    # The one question that another service answers: which of the rewards this customer can have.
    for_customer: Owner | None
    # What it counts as in the rate limit, and which list in its body counts one for each entry.
    weight: int
    batch: Batch | None

    def owner(self, query: bytes) -> Owner:
        """The service that answers a request with this query."""
        if self.for_customer is not None and _CUSTOMER.search(query):
            return self.for_customer
        return self.service

    def entries(self, media_type: str, body: bytes) -> int:
        """How many requests the body stands for; one that its service will refuse whole is one."""
        listed = self.batch == "items" or (self.batch == "events" and media_type == CLOUD_EVENTS)
        if not listed:
            return 1
        try:
            if self.batch == "items":
                count = len(msgspec.json.decode(body, type=_Items).items)
            else:
                count = len(msgspec.json.decode(body, type=list[Raw]))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return 1
        return count if 1 <= count <= MAX_BATCH_ITEMS else 1


class _Items(Struct):
    items: list[Raw]


Methods = dict[str, Route]


def _route(operation: Operation) -> Route:
    return Route(
        service=operation.owner,
        scope=operation.scope,
        largest_body=operation.largest_body,
        media_types=operation.media_types,
        for_customer=operation.for_customer,
        weight=operation.weight,
        batch=operation.batch,
    )


def _by_path() -> dict[tuple[str, ...], Methods]:
    found: dict[tuple[str, ...], Methods] = {}
    for operation in OPERATIONS:
        methods = found.setdefault(tuple(operation.path.split("/")), {})
        methods[operation.method] = _route(operation)
    return found


_PATHS: Final = _by_path()


def methods_of(segments: tuple[str, ...]) -> Methods | None:
    """The methods of the path with these segments, or None where there is no such path."""
    # No id has a slash in it, and a service that decodes one would see another path than this.
    if any(segment == "" or _SLASH in segment.lower() for segment in segments):
        return None
    return (
        _PATHS.get(segments)
        or _PATHS.get((*segments[:-1], "{id}"))
        or _PATHS.get((*segments[:-2], "{id}", *segments[-1:]))
    )
