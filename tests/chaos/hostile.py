"""What a hostile record is, and the registry of their kinds; `hostile_kinds` fills it."""

import json
import random
from collections.abc import Callable
from typing import Any, Final, Literal

from msgspec import Struct

from libs.contracts.topics import CONSUMED, record_key
from tests.chaos.effects import ConsumedTopic, Event
from tests.chaos.records import Record

# Which services have to write a dead letter: each that reads the topic, at least one, or none
# (a guest's order). With `any` the record may also be applied: only a stopped consumer is wrong.
Letters = Literal["each", "some", "none", "any"]

MALFORMED: Final = frozenset({"malformed"})
INVALID: Final = frozenset({"invalid"})
# Where the contract leaves open whether a value cannot be read or breaks a rule.
REFUSED: Final = MALFORMED | INVALID
VERSION: Final = frozenset({"unsupported_version"})

_LIMITS: Final = {topic.name: int(topic.config["max.message.bytes"]) for topic in CONSUMED}


class Hostile(Struct, frozen=True, kw_only=True):
    """A record and its expected dead letters. A record is `readable` if the client library can decode
    it; otherwise the letter need not carry its content. A `batch` is sent as it is."""

    kind: str
    record: Record
    codes: frozenset[str] = MALFORMED
    letters: Letters = "each"
    readable: bool = True
    batch: bytes | None = None


class Maker(Struct, frozen=True, kw_only=True):
    """The ingredients of a hostile record: a topic, a store without good events, and randomness."""

    topic: ConsumedTopic
    store_id: str
    choose: random.Random

    def event(self, **changes: object) -> Event:
        return {**self.topic.event(self.store_id, self.choose.randrange(10**6)), **changes}

    def value(self, **changes: object) -> bytes:
        return json.dumps(self.event(**changes)).encode()

    def key(self) -> bytes:
        return record_key(self.store_id, f"cust_{self.choose.randrange(10**6)}")

    def record(self, value: bytes | None = None, **parts: Any) -> Record:
        return Record(**{"key": self.key(), "value": value, **parts})

    def garbage(self, longest: int = 400) -> bytes:
        """Bytes that are no JSON."""
        return b"\x80" + self.choose.randbytes(self.choose.randrange(longest))

    @property
    def limit(self) -> int:
        """The size of the topic's largest batch."""
        return _LIMITS[self.topic.name]


Make = Callable[[Maker], Hostile]
KINDS: Final[dict[str, Make]] = {}
# These cost time or memory, so that a run has only a few of each.
HEAVY: Final[dict[str, Make]] = {}


def kind(name: str, *, among: dict[str, Make] = KINDS) -> Callable[[Make], Make]:
    def register(make: Make) -> Make:
        assert name not in among
        among[name] = make
        return make

    return register
