"""Dead letters of a store: received from the dead-letter topics, listed, purged."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncEngine

from libs.background.periodic import Periodic
from libs.kernel.errors import NotFound
from libs.kernel.ids import parse_id
from libs.persistence.engine import snapshot, transaction
from libs.persistence.errors import is_transient
from libs.persistence.pages import Listed, Page, unknown_cursor
from libs.persistence.slow_reads import SlowReads
from services.earning.domain.dead_letters import HandledLetter, Letter
from services.earning.store import dead_letters
from services.earning.store.dead_letters import LetterFilter

_NO_LETTER: Final = "There is no such dead letter in this store, or it was replayed or dropped."
_PURGE_SECONDS: Final = 600.0


async def record(
    engine: AsyncEngine, letters: Sequence[Letter], handled: Sequence[HandledLetter]
) -> None:
    """Add letters, and mark others as handled."""
    if letters or handled:
        async with transaction(engine) as connection:
            await dead_letters.insert(connection, letters)
            await dead_letters.mark_handled(connection, handled)


async def get_letter(engine: AsyncEngine, store_id: str, letter_id: str) -> Any:
    """The row of one letter of the store; raises NotFound."""
    id_ = parse_id("dl", letter_id)
    row = None
    if id_ is not None:
        async with snapshot(engine) as connection:
            row = await dead_letters.find(connection, store_id, id_)
    if row is None:
        raise NotFound(_NO_LETTER)
    return row


async def list_letters(reads: SlowReads, filter_: LetterFilter, page: Page) -> Listed[Any]:
    """A page of the store's letters, newest first.

    Raises InvalidRequest if `starting_after` is not one of those letters.
    """
    async with reads.snapshot(filter_.store_id) as connection:
        after = None
        if page.starting_after is not None:
            id_ = parse_id("dl", page.starting_after)
            after = id_ and await dead_letters.find(connection, filter_.store_id, id_)
            if after is None:
                raise unknown_cursor("a dead letter")
        rows, counted = await dead_letters.read_page(
            connection, filter_, limit=page.limit, after=after
        )
    return Listed(rows[: page.limit], has_more=len(rows) > page.limit, counted=counted)


def dead_letter_purger(engine: AsyncEngine) -> Periodic:
    """A background task that deletes the letters older than 30 days, every ten minutes."""

    async def purge() -> None:
        async with transaction(engine) as connection:
            await dead_letters.purge(connection)

    return Periodic(
        "purge_dead_letters", purge, every_seconds=_PURGE_SECONDS, is_transient=is_transient
    )
