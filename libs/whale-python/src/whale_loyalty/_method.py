"""Descriptors that turn an operation function into a method with the same signature and docstring.

Each operation is written once, and each client's tree is a table of names.
"""

import functools
from collections.abc import Callable, Coroutine
from typing import Any, Generic, ParamSpec, TypeVar

from whale_loyalty._operation import Listing, Operation
from whale_loyalty._pages import AsyncPages, Pages
from whale_loyalty._transport import AsyncTransport, Transport

P = ParamSpec("P")
T = TypeVar("T")


class Resource:
    """A branch of the blocking client."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport


class AsyncResource:
    """A branch of the async client."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport


class call(Generic[P, T]):  # noqa: N801  reads as a function where it is used
    """A method that sends the operation and returns its result."""

    def __init__(self, build: Callable[P, Operation[T]]) -> None:
        self._build = build

    def __get__(self, resource: Resource, _owner: type) -> Callable[P, T]:
        @functools.wraps(self._build)
        def method(*args: P.args, **kwargs: P.kwargs) -> T:
            return resource._transport.send(self._build(*args, **kwargs))

        return method


class paged(Generic[P, T]):  # noqa: N801
    """A method that returns a list with its first page fetched."""

    def __init__(self, build: Callable[P, Listing[T]]) -> None:
        self._build = build

    def __get__(self, resource: Resource, _owner: type) -> Callable[P, Pages[T]]:
        @functools.wraps(self._build)
        def method(*args: P.args, **kwargs: P.kwargs) -> Pages[T]:
            listing = self._build(*args, **kwargs)
            send = resource._transport.send
            return Pages(send(listing.first), listing, send)

        return method


class async_call(Generic[P, T]):  # noqa: N801
    """A coroutine method that sends the operation and returns its result."""

    def __init__(self, build: Callable[P, Operation[T]]) -> None:
        self._build = build

    def __get__(self, resource: AsyncResource, _owner: type) -> Callable[P, Coroutine[Any, Any, T]]:
        @functools.wraps(self._build)
        async def method(*args: P.args, **kwargs: P.kwargs) -> T:
            return await resource._transport.send(self._build(*args, **kwargs))

        return method


class async_paged(Generic[P, T]):  # noqa: N801
    """A method that returns a list to await or to iterate."""

    def __init__(self, build: Callable[P, Listing[T]]) -> None:
        self._build = build

    def __get__(self, resource: AsyncResource, _owner: type) -> Callable[P, AsyncPages[T]]:
        @functools.wraps(self._build)
        def method(*args: P.args, **kwargs: P.kwargs) -> AsyncPages[T]:
            return AsyncPages(self._build(*args, **kwargs), resource._transport.send)

        return method
