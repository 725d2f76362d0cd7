"""The form of a reward: create it, or change it."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import uuid4

from litestar import Response, get, post
from litestar.types import ControllerRouterHandler
from msgspec import Struct

from services.dashboard.api.forms import error_texts, idempotency_key, problem_texts
from services.dashboard.api.visit import Visit
from services.dashboard.clients import UNKNOWN_OUTCOME
from services.dashboard.domain.changes import Change
from services.dashboard.domain.navigation import link
from services.dashboard.domain.rewards import (
    TYPES,
    RewardForm,
    apply,
    body_of,
    differences,
    find_problems,
    form_of,
    merge,
    parse,
)
from services.dashboard.handlers import rewards
from services.dashboard.handlers.panels import Failed, attempt
from services.dashboard.store.sessions import Toast
from whale_loyalty.errors import Conflict, InvalidRequest, Refused
from whale_loyalty.models import Reward, RewardVersion

_FAMILY: Final = "reward.field"


class Meanwhile(Struct, frozen=True):
    """What somebody else changed since the form was opened, and what the reader's form still changes."""

    latest: RewardVersion
    theirs: Sequence[Change]
    mine: Sequence[Change]


class Editing(Struct, frozen=True, kw_only=True):
    """The page of a form. `is_locked` while the outcome of a write is not known: its button repeats
    the write with the same key."""

    form: RewardForm
    name: str = ""
    version: str = ""
    errors: dict[str, str] = {}
    conflict: Meanwhile | None = None
    filled_from: str | None = None
    is_locked: bool = False
    idempotency_key: str = ""


@get("/reward/edit", operation_id="dashboardRewardForm")
async def show_form(visit: Visit) -> Response[Any]:
    """The form with a reward's values, those of an earlier version, or an empty one."""
    visit.require("manage")
    reward_id, number = visit.query("id"), visit.query("from")
    if not reward_id:
        return await _show(visit, Editing(form=RewardForm()))
    reward = await visit.client.loyalty.rewards.retrieve(reward_id)
    source: Reward = reward
    if number:
        source = await rewards.find_version(visit.client, reward_id, number)
    editing = Editing(
        form=form_of(source, visit.zone),
        name=reward.name,
        version=str(reward.version),
        filled_from=number or None,
    )
    return await _show(visit, editing)


@post("/reward/edit", status_code=200, operation_id="dashboardRewardChange")
async def change_reward(visit: Visit) -> Response[Any]:
    """Save the form, once per key."""
    visit.require("manage")
    form = parse({name: str(value) for name, value in visit.form.items()})
    version, key = visit.field("version"), idempotency_key(visit)
    editing = Editing(form=form, name=visit.field("title"), version=version)
    problems = find_problems(form)
    if problems:
        errors = problem_texts(visit, problems, _FAMILY)
        return await _show(visit, _with(editing, errors=errors), 422)
    try:
        saved = await _save(visit, form, version, key)
    except UNKNOWN_OUTCOME:
        locked = _with(editing, is_locked=True, idempotency_key=key)
        return await _show(visit, locked, 503)
    except (InvalidRequest, Refused) as error:
        return await _show_refused(visit, editing, error)
    details = " ".join(warning.detail for warning in saved.warnings)
    done = visit.text("reward.saved", name=saved.name)
    toast = Toast(f"{done} {details}".strip(), is_error=bool(details))
    return await visit.redirect(link("reward", id=saved.id), toast)


async def _show_refused(
    visit: Visit, editing: Editing, error: InvalidRequest | Refused
) -> Response[Any]:
    """The form again, with what is wrong at its fields, or what somebody else changed."""
    if isinstance(error, InvalidRequest):
        errors = error_texts(visit, error.errors, _FAMILY, list(editing.form.fields))
        return await _show(visit, _with(editing, errors=errors), 422)
    if isinstance(error, Conflict) and visit.query("id"):
        return await _show_conflict(visit, editing.form, editing.version)
    return await _show(visit, _with(editing, errors={"": error.detail}), 409)


async def _save(visit: Visit, form: RewardForm, version: str, key: str) -> Reward:
    reward_id, resource = visit.query("id"), visit.writing.loyalty.rewards
    if not reward_id:
        return await resource.create(**body_of(form, visit.zone), idempotency_key=key)
    # The version that the form was made from: what it sends is the same each time.
    base = await _base(visit, reward_id, version)
    return await resource.update(
        reward_id,
        **body_of(form, visit.zone, base),
        version=int(version) if version.isdigit() else 0,
        idempotency_key=key,
    )


async def _base(visit: Visit, reward_id: str, version: str) -> RewardVersion:
    return await rewards.find_version(visit.client, reward_id, version)


def _with(editing: Editing, **changes: Any) -> Editing:
    values = {name: getattr(editing, name) for name in Editing.__struct_fields__}
    return Editing(**(values | changes))


async def _show(visit: Visit, editing: Editing, status: int = 200) -> Response[Any]:
    tiers = await attempt(rewards.load_tiers(visit.client))
    if not editing.is_locked:
        editing = _with(editing, idempotency_key=str(uuid4()))
    return await visit.page(
        "pages/reward_edit.html",
        page="rewards",
        status=status,
        view=editing,
        types=TYPES,
        tiers=None if isinstance(tiers, Failed) else tiers,
    )


async def _show_conflict(visit: Visit, form: RewardForm, version: str) -> Response[Any]:
    """The form on top of what somebody else saved meanwhile, with both sets of changes above it."""
    reward_id, zone = visit.query("id"), visit.zone
    reward = await visit.client.loyalty.rewards.retrieve(reward_id)
    base = await _base(visit, reward_id, version)
    latest = await rewards.find_version(visit.client, reward_id, str(reward.version))
    merged = merge(form_of(base, zone), form, form_of(reward, zone))
    meanwhile = Meanwhile(
        latest, differences(base, reward), differences(reward, apply(merged, reward, zone))
    )
    editing = Editing(
        form=merged, name=reward.name, version=str(reward.version), conflict=meanwhile
    )
    return await _show(visit, editing, 409)


ROUTES: Final[tuple[ControllerRouterHandler, ...]] = (show_form, change_reward)
