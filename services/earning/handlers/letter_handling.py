"""Dead letters that a store replays or drops, each once.

One transaction marks the letters as handled, and puts the records and the marks into the outbox. So a
letter leaves the list exactly if its record is published again, and operators' commands, which read the
marks from their topic, leave it out as well.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts.letter_marks import LetterOutcome, Mark, encode_mark
from libs.contracts.topics import DEAD_LETTERS_HANDLED
from libs.kernel.clock import truncate, utc_now
from libs.kernel.errors import Conflict, NotFound, WhaleError
from libs.kernel.ids import parse_id
from libs.messaging import outbox
from libs.messaging.outbox import EncodedEvent, RecordHeaders
from libs.observability import tracing
from libs.persistence.engine import Connection
from libs.persistence.idempotency import Claim, StoredResponse
from libs.persistence.stored_responses import write_once
from services.earning.domain.dead_letters import HandledLetter
from services.earning.store import dead_letters

# Records in one row of the outbox: the relay reads several rows together, and a record has up to 80 KiB.
_RECORDS_PER_ROW: Final = 10
_NO_LETTER: Final = "There is no such dead letter in this store."

# The row of a letter that was handled as requested, or why it was not.
LetterResult = asyncpg.Record | WhaleError
Render = Callable[[Sequence[LetterResult]], StoredResponse]

_decode_headers: Final = msgspec.msgpack.Decoder(RecordHeaders).decode


async def handle_letters(
    engine: AsyncEngine,
    claim: Claim | None,
    store_id: str,
    letter_ids: Sequence[str],
    outcome: LetterOutcome,
    render: Render,
) -> StoredResponse:
    """Replay or drop the store's letters, each once, and render a result for each id, in order: the
    letter, also if it was handled in this way before, else NotFound or Conflict. `render` may raise
    one of these; then nothing was changed. Raises IdempotencyKeyReused."""
    ids = [parse_id("dl", letter_id) for letter_id in letter_ids]

    async def handle(connection: Connection) -> StoredResponse:
        known = {id_ for id_ in ids if id_ is not None}
        before = await dead_letters.read(connection, store_id, known)
        open_ids = [id_ for id_, row in before.items() if _may_handle(row, outcome)]
        await _handle(connection, open_ids, outcome)
        after = await dead_letters.read(connection, store_id, known)
        return render([_result(after.get(id_) if id_ else None, outcome) for id_ in ids])

    return await write_once(engine, claim, handle)


def _may_handle(row: Any, outcome: LetterOutcome) -> bool:
    return not row["is_handled"] and (outcome == "dropped" or row["is_whole"])


async def _handle(connection: Connection, ids: Sequence[UUID], outcome: LetterOutcome) -> None:
    """Mark the letters, and publish what that means. A letter that a concurrent transaction handled
    first is left out."""
    now = truncate(utc_now())
    marked = await dead_letters.mark_handled(
        connection, [HandledLetter(id=id_, outcome=outcome, handled_at=now) for id_ in ids]
    )
    records = sorted(await dead_letters.read_records(connection, marked), key=_place_of)
    for start in range(0, len(records), _RECORDS_PER_ROW):
        rows = records[start : start + _RECORDS_PER_ROW]
        events = [_record(row) for row in rows] if outcome == "replayed" else []
        events += [_mark(row["place"], Mark(outcome, now)) for row in rows]
        await outbox.append(connection, events)


def _place_of(row: Any) -> tuple[str, int]:
    """The letter's dead-letter topic, which has one partition, and its offset there."""
    topic, _partition, offset = row["place"].rsplit(":", 2)
    return topic, int(offset)


def _record(row: Any) -> EncodedEvent:
    """The record as it came, for the topic that it came on."""
    return EncodedEvent(
        topic=row["topic"],
        key=row["key"],
        value=row["value"],
        id=row["place"],
        source="",
        time="",
        headers=_decode_headers(row["raw_headers"]),
    )


def _mark(place: str, mark: Mark) -> EncodedEvent:
    return EncodedEvent(
        topic=DEAD_LETTERS_HANDLED,
        key=place.encode(),
        value=encode_mark(mark),
        id=place,
        source="",
        time="",
        headers=tracing.record_headers(),
    )


def _result(row: asyncpg.Record | None, outcome: LetterOutcome) -> LetterResult:
    if row is None:
        return NotFound(_NO_LETTER)
    if not row["is_handled"]:
        return Conflict(
            "Only the beginning of this record is kept, so that it cannot be replayed here. Ask the shop to "
            f"send the event again, or an operator to replay {row['place']}."
        )
    if row["outcome"] != outcome:
        return Conflict(
            f"This dead letter was already {row['outcome'] or 'handled'}. If its order or refund is still "
            "missing, ask the shop to send the event again."
        )
    return row
