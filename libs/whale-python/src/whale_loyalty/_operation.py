"""A request to the API as a value: what to send, and the type to decode the response as."""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any, Final, Generic, TypeVar
from urllib.parse import quote, urlencode

import msgspec
from msgspec import UNSET, Struct

from whale_loyalty.errors import InvalidArgument
from whale_loyalty.models import Page

T = TypeVar("T")

JSON: Final = "application/json"

_encoder: Final = msgspec.json.Encoder(decimal_format="number")


class Operation(Struct, Generic[T], frozen=True, kw_only=True):
    """One request to a store; `response_type` decodes a success, None means an empty body.

    `path` is relative to the store. A write carries an idempotency key: `idempotency_key`, or one that
    is generated for the call.
    """

    method: str
    path: str
    response_type: Any
    query: Mapping[str, str] = {}
    body: bytes | None = None
    content_type: str = JSON
    is_write: bool = False
    idempotency_key: str | None = None

    @property
    def target(self) -> str:
        """The path relative to the store, with the query."""
        if not self.query:
            return self.path
        try:
            return f"{self.path}?{urlencode(self.query)}"
        except UnicodeEncodeError as error:
            raise InvalidArgument(f"A query parameter is not valid text: {error}") from error


class Listing(Struct, Generic[T], frozen=True, kw_only=True):
    """A paginated list: the operation of its first page, and the id of an item as the cursor."""

    first: Operation[Page[T]]
    get_id: Callable[[T], str]

    def next_page(self, page: Page[T]) -> Operation[Page[T]] | None:
        """The operation for the page after `page`, or None after the last one."""
        if not page.has_more or not page.data:
            return None
        query = {**self.first.query, "starting_after": self.get_id(page.data[-1])}
        return msgspec.structs.replace(self.first, query=query)


def read(path: str, response_type: type[T], **query: object) -> Operation[T]:
    """A GET operation; query parameters that are None are not sent."""
    return Operation(
        method="GET", path=path, response_type=response_type, query=_encode_query(query)
    )


def write(
    method: str,
    path: str,
    response_type: type[T],
    *,
    body: object = UNSET,
    content_type: str = JSON,
    idempotency_key: str | None = None,
) -> Operation[T]:
    """An operation that changes something, once per idempotency key."""
    return Operation(
        method=method,
        path=path,
        response_type=response_type,
        body=None if body is UNSET else encode(body),
        content_type=content_type,
        is_write=True,
        idempotency_key=idempotency_key,
    )


def listing(
    path: str, item_type: type[T], *, get_id: Callable[[T], str], **query: object
) -> Listing[T]:
    """A paginated list of `item_type`; query parameters that are None are not sent."""
    return Listing(first=read(path, Page[item_type], **query), get_id=get_id)  # type: ignore[valid-type]


def without_unset(**fields: object) -> dict[str, object]:
    """The fields that the caller set. None is a value: in an update it removes an optional field."""
    return {name: value for name, value in fields.items() if value is not UNSET}


def segment(value: str) -> str:
    """An id as one path segment. Raises InvalidArgument for an id that a path cannot carry."""
    if not isinstance(value, str):
        raise InvalidArgument(f"An id must be a str, not {type(value).__name__}: {value!r}")
    if value in {"", ".", ".."}:
        raise InvalidArgument(f"{value!r} is not a valid id.")
    try:
        return quote(value, safe="")
    except UnicodeEncodeError as error:
        raise InvalidArgument(f"The id is not valid text: {error}") from error


def encode(body: object) -> bytes:
    """The body as JSON. Raises InvalidArgument for what JSON cannot hold, such as half a surrogate
    pair."""
    try:
        return _encoder.encode(body)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidArgument(f"The request cannot be written as JSON: {error}") from error


def _encode_query(query: Mapping[str, object]) -> dict[str, str]:
    return {name: _encode_parameter(value) for name, value in query.items() if value is not None}


def _encode_parameter(value: object) -> str:
    match value:
        case datetime() | date():
            return value.isoformat()
        case _:
            return str(value)
