"""Dead letters of shop events: which store a letter belongs to, and what it is about."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from msgspec import Struct

from libs.contracts.letter_marks import LetterOutcome
from libs.kernel.ids import OTHER_ID, STORE_ID, customer_id, derived_uuid


class Letter(Struct, frozen=True, kw_only=True):
    """A dead letter that belongs to a store. `place` is `<dead-letter topic>:<partition>:<offset>`;
    `headers` are the record's own as JSON, shortened; `value` is its beginning if it is `truncated`. If
    it is not, `key` and `raw_headers` (MessagePack) are those of the record. `customer_id` and `order_id`
    are None unless the record names valid ones."""

    id: UUID
    place: str
    store_id: str
    topic: str
    code: str
    detail: str
    service: str
    customer_id: str | None
    order_id: str | None
    truncated: bool
    dead_at: datetime
    headers: bytes
    value: bytes
    key: bytes | None = None
    raw_headers: bytes | None = None


class HandledLetter(Struct, frozen=True, kw_only=True):
    """A letter that was replayed or dropped; `outcome` is None if the mark does not say which."""

    id: UUID
    outcome: LetterOutcome | None
    handled_at: datetime


class Subject(Struct, frozen=True):
    """The store of a letter, and the customer and the order that it is about, as far as it names them."""

    store_id: str
    customer_id: str | None
    order_id: str | None


def letter_id(place: str) -> UUID:
    """The id of the letter at a place: the same whenever the topic is read."""
    return derived_uuid(place)


def find_subject(body: Mapping[str, object] | None, key: bytes | None) -> Subject | None:
    """Whom the letter belongs to, or None: then only operators may see it.

    A letter belongs to the store that its readable `body` names, unless the record's key names
    another one. Otherwise a record could be shown to a store that it does not belong to.
    """
    store_id = None if body is None else _read_id(body.get("store_id"))
    if body is None or store_id is None or not STORE_ID.fullmatch(store_id):
        return None
    # A truncated letter has an empty key where the record has none.
    if key and not key.startswith(f"{store_id}:".encode()):
        return None
    order_id = _read_id(body.get("order_id"))
    customer = _read_id(body.get("customer_id"))
    return Subject(
        store_id=store_id,
        customer_id=None if customer is None else customer_id(customer),
        order_id=order_id if order_id is not None and OTHER_ID.fullmatch(order_id) else None,
    )


def _read_id(value: object) -> str | None:
    """An id as shops send them, text or a whole number; None for anything else."""
    is_id = isinstance(value, str | int) and not isinstance(value, bool)
    return str(value) if is_id else None
