"""A task that runs again and again until it is stopped."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from libs.background.backoff import LONGEST_SECONDS, delays
from libs.observability import logging

log: Final = logging.get(__name__)


class Periodic:
    """Runs `work` every `every_seconds`, and immediately again while it returns True.

    No failure ends the task: only its missing effect would show that it had ended. After a failure,
    it is retried with back-off of up to `longest_delay_seconds`. The first of consecutive failures
    for which `is_transient` is true, such as an unavailable database, is logged as a warning; any
    other failure is logged as an error.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[], Awaitable[bool | None]],
        *,
        every_seconds: float,
        is_transient: Callable[[BaseException], bool],
        longest_delay_seconds: float = LONGEST_SECONDS,
    ) -> None:
        self._name = name
        self._work = work
        self._every_seconds = every_seconds
        self._is_transient = is_transient
        self._longest_delay_seconds = longest_delay_seconds
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=self._name)

    async def stop(self) -> None:
        """Cancel the run in progress; its transaction is rolled back."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await self._run_with_retries()
            await asyncio.sleep(self._every_seconds)

    async def _run_with_retries(self) -> None:
        retry_delays = delays(longest=self._longest_delay_seconds)
        is_logged = False
        while True:
            try:
                if not await self._work():
                    return
            except Exception as error:
                if not self._is_transient(error):
                    log.exception("background_task_failed", task=self._name)
                elif not is_logged:
                    log.warning("background_task_retry", task=self._name, error=repr(error))
                    is_logged = True
                await asyncio.sleep(next(retry_delays))
