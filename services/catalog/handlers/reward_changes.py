"""Creates, updates and deletes rewards. Each change is a version, published from its own transaction."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

from msgspec import UNSET, Struct

from libs.contracts.api import SettingWarning
from libs.contracts.rewards import RewardCreate, RewardPatch, RewardValueInput
from libs.kernel.clock import parse_time, utc_now
from libs.kernel.errors import Conflict, Fault, InvalidRequest, NotFound
from libs.kernel.ids import new_id
from libs.kernel.versions import require_version
from libs.messaging import outbox
from libs.persistence.engine import Connection
from libs.persistence.idempotency import StoredResponse
from libs.persistence.stored_responses import write_once
from libs.persistence.writes import Write
from services.catalog import store as rewards_db
from services.catalog.domain import (
    FIRST_VERSION,
    RecordedVersion,
    Reward,
    Value,
    find_warnings,
)
from services.catalog.handlers.resources import Resources
from services.catalog.handlers.reward_events import encode_version
from services.catalog.handlers.rewards import NOT_FOUND

PERIOD_RULE: Final = "must be after `starts_at`"

_TIMES: Final = frozenset({"starts_at", "ends_at"})

Render = Callable[[Reward, Sequence[SettingWarning]], StoredResponse]


class Change(Struct, frozen=True, kw_only=True):
    """A write to one reward. `apply` returns the next version of the current one (None where the id
    was never used) at a time, or raises the refusal."""

    write: Write[Any]
    reward_id: str
    apply: Callable[[Reward | None, datetime], Reward]


async def carry_out(resources: Resources, change: Change, render: Render) -> StoredResponse:
    """Carry out a change once per idempotency key; returns the response, as `render` makes it."""
    tiers = None
    if isinstance(getattr(change.write.body, "min_tier", None), str):
        tiers = await resources.tiers.names(change.write.store_id)
    response = await write_once(
        resources.write_engine, change.write.claim, partial(_write, change, render, tiers)
    )
    resources.wake_relay()
    return response


async def _write(
    change: Change, render: Render, tiers: Sequence[str] | None, connection: Connection
) -> StoredResponse:
    store_id = change.write.store_id
    await rewards_db.lock(connection, store_id)
    now = utc_now()
    current = await rewards_db.find(connection, store_id, change.reward_id)
    reward = change.apply(current, now)
    await rewards_db.put(connection, store_id, reward)
    versions = [
        RecordedVersion(reward=reward, changed_by=change.write.caller.key_name, changed_at=now)
    ]
    if current is not None:
        # Not recorded yet if the previous release wrote it.
        versions.append(RecordedVersion(reward=current, changed_by=None, changed_at=None))
    await rewards_db.record_versions(connection, store_id, versions)
    await outbox.append(connection, [encode_version(store_id, reward, now)])
    return render(reward, find_warnings(change.write.body, reward, tiers))


def creation(write: Write[RewardCreate]) -> Change:
    """Creates a reward, under the caller's id or a generated one."""
    reward_id = new_id("rwd") if write.body.id is None else write.body.id

    def apply(current: Reward | None, now: datetime) -> Reward:
        if current is not None:
            raise Conflict(
                "This reward id is already in use, or was used by a deleted reward. Use another id."
            )
        return _new(write.body, reward_id, now)

    return Change(write=write, reward_id=reward_id, apply=apply)


def update(write: Write[RewardPatch], reward_id: str) -> Change:
    """Replaces the fields of the body; null removes a field. Refused where the caller saw another
    version."""
    fields = {
        field: _read(field, value)
        for field in write.body.__struct_fields__
        if field != "version" and (value := getattr(write.body, field)) is not UNSET
    }

    def apply(current: Reward | None, _now: datetime) -> Reward:
        existing = _existing(current)
        if write.body.version is not UNSET:
            require_version(write.body.version, existing.version)
        changed = existing.change(fields)
        if not changed.has_valid_period:
            sent, rule = ("#/ends_at", PERIOD_RULE)
            if "ends_at" not in fields:
                sent, rule = ("#/starts_at", "must be before `ends_at`")
            raise InvalidRequest(f"{sent}: {rule}.", errors=[Fault(detail=rule, pointer=sent)])
        return changed

    return Change(write=write, reward_id=reward_id, apply=apply)


def deletion(write: Write[bytes], reward_id: str) -> Change:
    """Deletes the reward; its id is never used again."""

    def apply(current: Reward | None, _now: datetime) -> Reward:
        return _existing(current).delete()

    return Change(write=write, reward_id=reward_id, apply=apply)


def _existing(current: Reward | None) -> Reward:
    if current is None or current.deleted:
        raise NotFound(NOT_FOUND)
    return current


def _new(body: RewardCreate, reward_id: str, now: datetime) -> Reward:
    return Reward(
        id=reward_id,
        version=FIRST_VERSION,
        name=body.name,
        points_cost=body.points_cost,
        type=body.type,
        is_active=body.is_active,
        created_at=now,
        description=body.description,
        value=_value(body.value),
        stock=body.stock,
        per_customer_limit=body.per_customer_limit,
        starts_at=_time(body.starts_at),
        ends_at=_time(body.ends_at),
        min_tier=body.min_tier,
        image_url=body.image_url,
        metadata=body.metadata,
    )


def _read(field: str, value: object) -> object:
    """A field of the body, whose bounds were checked, as the domain has it."""
    if field in _TIMES:
        assert value is None or isinstance(value, str)
        return _time(value)
    if field == "value":
        assert value is None or isinstance(value, RewardValueInput)
        return _value(value)
    return value


def _time(text: str | None) -> datetime | None:
    return None if text is None else parse_time(text)


def _value(body: RewardValueInput | None) -> Value | None:
    if body is None:
        return None
    return Value(amount=body.amount, currency=body.currency, percent=body.percent)
