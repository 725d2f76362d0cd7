"""One interface to the three clients, so that one test covers all of them."""

import asyncio
import json
import re
import shutil
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from tests.support import ROOT
from whale_loyalty import ApiError, AsyncWhaleClient, WhaleClient

KEY = "wk_live_the_key_that_must_stay_secret"

_DRIVER = Path(__file__).with_name("driver.mjs")


class Failure(Struct, frozen=True):
    """An error as a caller sees it: the names of its classes from the most specific, its members, and
    everything it prints."""

    kinds: list[str]
    members: dict[str, Any]
    message: str
    printed: str
    code: str | None = None
    status: int | None = None
    request_id: str | None = None
    idempotency_key: str | None = None


class Outcome(Struct, frozen=True):
    """The outcome of a call: a value or an error, its duration, and what the client prints."""

    seconds: float
    client: str
    value: Any = None
    error: Failure | None = None


class Settings(Struct, frozen=True):
    """The settings of a client that the tests vary."""

    base_url: str
    api_key: str = KEY
    timeout_seconds: float = 60.0
    deadline_seconds: float = 120.0
    max_retries: int = 5


class Driver(Protocol):
    """Calls a method of a client by its path, such as `loyalty.earn`, with arguments and named fields."""

    source: str

    async def call(
        self,
        settings: Settings,
        name: str,
        /,
        *args: Any,
        idempotency_key: str | None = None,
        **fields: Any,
    ) -> Outcome: ...

    async def walk(self, settings: Settings, name: str, /, **fields: Any) -> Outcome:
        """Iterate over all pages of a list; the value is the list of all items."""
        ...


class PythonDriver:
    """The blocking client, in a separate thread."""

    source = "/clients/python"

    async def call(
        self,
        settings: Settings,
        name: str,
        /,
        *args: Any,
        idempotency_key: str | None = None,
        **fields: Any,
    ) -> Outcome:
        if idempotency_key is not None:
            fields["idempotency_key"] = idempotency_key
        return await asyncio.to_thread(
            self._run, settings, lambda whale: _to_json(_method(whale, name)(*args, **fields))
        )

    async def walk(self, settings: Settings, name: str, /, **fields: Any) -> Outcome:
        return await asyncio.to_thread(
            self._run,
            settings,
            lambda whale: [msgspec.to_builtins(item) for item in _method(whale, name)(**fields)],
        )

    def _run(self, settings: Settings, work: Callable[[WhaleClient], Any]) -> Outcome:
        started = time.monotonic()
        with WhaleClient(**msgspec.structs.asdict(settings)) as whale:
            try:
                value = work(whale)
            except Exception as error:  # noqa: BLE001  the outcome carries it
                seconds = time.monotonic() - started
                return Outcome(seconds, _printed(whale), error=_failure(error))
            return Outcome(time.monotonic() - started, _printed(whale), value)


class AsyncPythonDriver:
    """The async client."""

    source = "/clients/python"

    async def call(
        self,
        settings: Settings,
        name: str,
        /,
        *args: Any,
        idempotency_key: str | None = None,
        **fields: Any,
    ) -> Outcome:
        if idempotency_key is not None:
            fields["idempotency_key"] = idempotency_key

        async def work(whale: AsyncWhaleClient) -> Any:
            return _to_json(await _method(whale, name)(*args, **fields))

        return await self._run(settings, work)

    async def walk(self, settings: Settings, name: str, /, **fields: Any) -> Outcome:
        async def work(whale: AsyncWhaleClient) -> Any:
            return [msgspec.to_builtins(item) async for item in _method(whale, name)(**fields)]

        return await self._run(settings, work)

    async def _run(self, settings: Settings, work: Callable[[AsyncWhaleClient], Any]) -> Outcome:
        started = time.monotonic()
        async with AsyncWhaleClient(**msgspec.structs.asdict(settings)) as whale:
            try:
                value = await work(whale)
            except Exception as error:  # noqa: BLE001
                seconds = time.monotonic() - started
                return Outcome(seconds, _printed(whale), error=_failure(error))
            return Outcome(time.monotonic() - started, _printed(whale), value)


class NodeDriver:
    """The JavaScript client, in a separate node process."""

    source = "/clients/js"

    def __init__(self, module: Path) -> None:
        self._module = module

    async def call(
        self,
        settings: Settings,
        name: str,
        /,
        *args: Any,
        idempotency_key: str | None = None,
        **fields: Any,
    ) -> Outcome:
        arguments = [*args, *([fields] if fields else [])]
        if idempotency_key is not None:
            arguments.append({"idempotencyKey": idempotency_key})
        return await self._run(settings, {"name": camel(name), "args": arguments})

    async def walk(self, settings: Settings, name: str, /, **fields: Any) -> Outcome:
        return await self._run(settings, {"name": camel(name), "args": [fields], "walk": True})

    async def _run(self, settings: Settings, call: dict[str, Any]) -> Outcome:
        options = {
            "apiKey": settings.api_key,
            "baseUrl": settings.base_url,
            "timeoutMs": settings.timeout_seconds * 1_000,
            "deadlineMs": settings.deadline_seconds * 1_000,
            "maxRetries": settings.max_retries,
        }
        node = shutil.which("node")
        assert node is not None
        process = await asyncio.create_subprocess_exec(
            *(node, _DRIVER, self._module.as_uri()),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await process.communicate(json.dumps({"options": options, **call}).encode())
        return msgspec.json.decode(out, type=Outcome)


def _method(client: object, name: str) -> Any:
    for step in name.split("."):
        client = getattr(client, step)
    return client


def _to_json(value: Any) -> Any:
    """The value in JSON's types; for a list, its page."""
    return msgspec.to_builtins(getattr(value, "page", value))


def _failure(error: Exception) -> Failure:
    extra = error.extra if isinstance(error, ApiError) else {}
    return Failure(
        kinds=[kind.__name__ for kind in type(error).__mro__],
        code=getattr(error, "code", None),
        status=getattr(error, "status", None),
        request_id=getattr(error, "request_id", None),
        idempotency_key=getattr(error, "idempotency_key", None),
        members={name: getattr(error, name, None) for name in extra},
        message=str(error),
        printed=_printed(error) + _traces(error),
    )


def _printed(value: object) -> str:
    """Everything that a log, a debugger or an error report prints of a value."""
    return "\n".join([repr(value), str(value), repr(vars(value))])


def _traces(error: BaseException | None) -> str:
    """The locals of every frame of an error's traceback and of its causes, except the tests' frames."""
    printed = ""
    while error is not None:
        summary = traceback.TracebackException.from_exception(error, capture_locals=True)
        frames = [frame for frame in summary.stack if not _is_test_code(frame.filename)]
        printed += "".join(repr(frame.locals) for frame in frames)
        error = error.__cause__ or error.__context__
    return printed


def _is_test_code(filename: str) -> bool:
    return Path(filename).is_relative_to(ROOT / "tests")


def camel(name: str) -> str:
    return re.sub(r"_([a-z])", lambda match: match[1].upper(), name)
