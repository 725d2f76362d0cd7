"""A request to the API as a value: what is asked, and what the answer is read as."""

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
    """One request under a store; `answer` is the type that a success is read as, None for nothing.

    A write bears an idempotency key: `idempotency_key`, or one that is made for the call.
    """

    method: str
    path: str
    answer: Any
    query: Mapping[str, str] = {}
    body: bytes | None = None
    content_type: str = JSON
    writes: bool = False
    idempotency_key: str | None = None

    @property
    def target(self) -> str:
        """The path under the store, with the query."""
        if not self.query:
            return self.path
        try:
            return f"{self.path}?{urlencode(self.query)}"
        except UnicodeEncodeError as error:
            raise InvalidArgument(f"A parameter is not valid text: {error}") from error


class Listing(Struct, Generic[T], frozen=True, kw_only=True):
    """A list in pages: the operation of the first, and the id that tells an item's place."""

    first: Operation[Page[T]]
    id_of: Callable[[T], str]

    def following(self, page: Page[T]) -> Operation[Page[T]] | None:
        """What asks for the page after `page`, where there is one."""
        if not page.has_more or not page.data:
            return None
        query = {**self.first.query, "starting_after": self.id_of(page.data[-1])}
        return msgspec.structs.replace(self.first, query=query)


def read(path: str, answer: type[T], **query: object) -> Operation[T]:
    """A request that changes nothing; parameters that are None are left out."""
    return Operation(method="GET", path=path, answer=answer, query=_texts(query))


def write(
    method: str,
    path: str,
    answer: type[T],
    *,
    body: object = UNSET,
    content_type: str = JSON,
    idempotency_key: str | None = None,
) -> Operation[T]:
    """A request that has an effect, once."""
    return Operation(
        method=method,
        path=path,
        answer=answer,
        body=None if body is UNSET else encode(body),
        content_type=content_type,
        writes=True,
        idempotency_key=idempotency_key,
    )


def listing(path: str, item: type[T], *, id_of: Callable[[T], str], **query: object) -> Listing[T]:
    """A list in pages."""
    return Listing(first=read(path, Page[item], **query), id_of=id_of)  # type: ignore[valid-type]


def given(**fields: object) -> dict[str, object]:
    """The fields that were given a value; None is one, and removes what was there."""
    return {name: value for name, value in fields.items() if value is not UNSET}


def segment(value: str) -> str:
    """An id as one segment of a path; InvalidArgument for those that no path can hold."""
    if not isinstance(value, str):
        raise InvalidArgument(f"An id is a str, not {type(value).__name__}: {value!r}")
    if value in {"", ".", ".."}:
        raise InvalidArgument(f"{value!r} is not the id of anything.")
    try:
        return quote(value, safe="")
    except UnicodeEncodeError as error:
        raise InvalidArgument(f"An id is not valid text: {error}") from error


def encode(body: object) -> bytes:
    """The body as JSON; InvalidArgument for what JSON cannot hold, such as half a surrogate pair."""
    try:
        return _encoder.encode(body)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidArgument(f"The request cannot be written as JSON: {error}") from error


def _texts(query: Mapping[str, object]) -> dict[str, str]:
    return {name: _text(value) for name, value in query.items() if value is not None}


def _text(value: object) -> str:
    match value:
        case datetime() | date():
            return value.isoformat()
        case _:
            return str(value)
