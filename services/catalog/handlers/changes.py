"""Rewards: create, change, delete. Each change is a version, told in its own transaction."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any, Final

from msgspec import UNSET, Struct

from libs.contracts import api
from libs.contracts.rewards import RewardCreate, RewardPatch, RewardValueInput
from libs.contracts.topics import CATALOG_REWARD, record_key
from libs.kernel.clock import format_time, parse_time, utc_now
from libs.kernel.errors import Conflict, Fault, InvalidRequest, NotFound
from libs.kernel.ids import new_id
from libs.messaging import outbox
from libs.messaging.cloudevents import encode_event
from libs.messaging.outbox import EncodedEvent
from libs.observability import tracing
from libs.persistence.engine import Connection
from libs.persistence.idempotency import StoredResponse, write_once
from libs.persistence.writes import Write
from services.catalog import store
from services.catalog.domain import FIRST_VERSION, Reward, Value
from services.catalog.handlers import render
from services.catalog.handlers.resources import Resources

SOURCE: Final = "/services/catalog"
NO_REWARD: Final = "There is no such reward in this store."
WINDOW_RULE: Final = "`starts_at` must be before `ends_at`"

_TIMES: Final = frozenset({"starts_at", "ends_at"})


class Change(Struct, frozen=True, kw_only=True):
    """A write to one reward. `apply` returns the next version of the current one (None where the id
    was never used) at a moment, or raises the refusal; `status` is that of the response."""

    write: Write[Any]
    reward_id: str
    apply: Callable[[Reward | None, datetime], Reward]
    status: int


async def carry_out(resources: Resources, wanted: Change) -> StoredResponse:
    """Carry out a change once per idempotency key; returns its response."""
    response = await write_once(resources.writes, wanted.write.claim, partial(_carry_out, wanted))
    resources.wake_relay()
    return response


async def _carry_out(wanted: Change, connection: Connection) -> StoredResponse:
    store_id = wanted.write.store_id
    await store.lock(connection, store_id)
    now = utc_now()
    current = await store.find(connection, store_id, wanted.reward_id)
    reward = wanted.apply(current, now)
    await store.put(connection, store_id, reward)
    await outbox.append(connection, [_event(store_id, reward, now)])
    body = b"" if reward.deleted else api.encode(render.reward(reward))
    return StoredResponse(wanted.status, body)


def creation(write: Write[RewardCreate]) -> Change:
    """A new reward, under the caller's id or a generated one."""
    reward_id = new_id("rwd") if write.body.id is None else write.body.id

    def apply(current: Reward | None, now: datetime) -> Reward:
        if current is not None:
            raise Conflict(
                "This reward id is already in use, or was used by a deleted reward. Use another id."
            )
        return _new(write.body, reward_id, now)

    return Change(write=write, reward_id=reward_id, apply=apply, status=201)


def patch(write: Write[RewardPatch], reward_id: str) -> Change:
    """The reward with the fields of the body replaced; null removes a field."""
    named = {
        field: _read(field, value)
        for field in write.body.__struct_fields__
        if (value := getattr(write.body, field)) is not UNSET
    }

    def apply(current: Reward | None, _now: datetime) -> Reward:
        changed = _known(current).changed(named)
        if not changed.has_a_time:
            place = "#/ends_at" if "ends_at" in named else "#/starts_at"
            fault = Fault(detail=WINDOW_RULE, pointer=place)
            raise InvalidRequest(f"{place}: {WINDOW_RULE}", errors=[fault])
        return changed

    return Change(write=write, reward_id=reward_id, apply=apply, status=200)


def deletion(write: Write[bytes], reward_id: str) -> Change:
    """Retire the reward."""

    def apply(current: Reward | None, _now: datetime) -> Reward:
        return _known(current).retired()

    return Change(write=write, reward_id=reward_id, apply=apply, status=204)


def _known(present: Reward | None) -> Reward:
    if present is None or present.deleted:
        raise NotFound(NO_REWARD)
    return present


def _new(asked: RewardCreate, reward_id: str, now: datetime) -> Reward:
    return Reward(
        id=reward_id,
        version=FIRST_VERSION,
        name=asked.name,
        points_cost=asked.points_cost,
        type=asked.type,
        is_active=asked.is_active,
        created_at=now,
        description=asked.description,
        value=_value(asked.value),
        stock=asked.stock,
        per_customer_limit=asked.per_customer_limit,
        starts_at=_moment(asked.starts_at),
        ends_at=_moment(asked.ends_at),
        min_tier=asked.min_tier,
        image_url=asked.image_url,
        metadata=asked.metadata,
    )


def _read(field: str, value: object) -> object:
    """A field of a request as the reward keeps it; its bounds have been checked."""
    if field in _TIMES:
        assert value is None or isinstance(value, str)
        return _moment(value)
    if field == "value":
        assert value is None or isinstance(value, RewardValueInput)
        return _value(value)
    return value


def _moment(text: str | None) -> datetime | None:
    return None if text is None else parse_time(text)


def _value(asked: RewardValueInput | None) -> Value | None:
    if asked is None:
        return None
    return Value(amount=asked.amount, currency=asked.currency, percent=asked.percent)


def _event(store_id: str, reward: Reward, now: datetime) -> EncodedEvent:
    return encode_event(
        render.event(store_id, reward),
        topic=CATALOG_REWARD,
        key=record_key(store_id, reward.id),
        event_id=f"{store_id}/{reward.id}/{reward.version}",
        source=SOURCE,
        time=format_time(now),
        traceparent=tracing.current(),
    )
