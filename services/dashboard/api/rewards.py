"""The rewards: what is offered, and one reward with its versions; turn it on or off, delete it."""

from typing import Any, Final
from uuid import uuid4

from litestar import Response, get, post
from litestar.types import ControllerRouterHandler

from services.dashboard.api import reward_edit
from services.dashboard.api.forms import show_unknown_outcome
from services.dashboard.api.visit import Visit
from services.dashboard.clients import UNKNOWN_OUTCOME
from services.dashboard.domain.navigation import link
from services.dashboard.handlers import rewards
from services.dashboard.store.sessions import Toast


@get("/rewards", operation_id="dashboardRewards")
async def show_rewards(visit: Visit) -> Response[Any]:
    """All rewards, or those that are available or not."""
    shows = (name for name in rewards.SHOWS if name == visit.query("show"))
    show = next(shows, rewards.SHOWS[0])
    first = visit.query("first")
    number = int(first) if first.isascii() and first.isdigit() and len(first) < 6 else 0
    view = await rewards.load_list(visit.client, show, number, visit.now)
    return await visit.page("pages/rewards.html", page="rewards", view=view, shows=rewards.SHOWS)


@get("/reward", operation_id="dashboardReward")
async def show_reward(visit: Visit) -> Response[Any]:
    """One reward."""
    view = await rewards.load(visit.client, visit.query("id"), visit.now)
    return await visit.page(
        "pages/reward.html", page="rewards", view=view, idempotency_key=str(uuid4())
    )


@get("/reward/versions", operation_id="dashboardRewardVersions")
async def show_versions(visit: Visit) -> Response[Any]:
    """The versions of a reward, newest first, each as what it changed."""
    view = await rewards.load_versions(visit.client, visit.query("id"), visit.query("before"))
    return await visit.page("pages/reward_versions.html", page="rewards", view=view)


@post("/reward/active", status_code=200, operation_id="dashboardRewardActive")
async def set_active(visit: Visit) -> Response[Any]:
    """Offer the reward, or stop offering it. Either can be undone, so neither is confirmed."""
    visit.require("manage")
    is_active = visit.query("active") == "yes"
    try:
        reward = await visit.writing.loyalty.rewards.update(
            visit.query("id"),
            is_active=is_active,
            idempotency_key=visit.field("idempotency_key") or None,
        )
    except UNKNOWN_OUTCOME:
        return await show_unknown_outcome(visit, "rewards")
    done = (
        visit.text("reward.activated", name=reward.name)
        if is_active
        else visit.text("reward.deactivated", name=reward.name)
    )
    undo = link("reward/active", id=reward.id, active="no" if is_active else "yes")
    toast = Toast(done, undo_url=undo, undo_label=visit.text("action.undo"))
    return await visit.redirect(link("reward", id=reward.id), toast)


@get("/reward/delete", operation_id="dashboardRewardDeleteForm")
async def show_delete(visit: Visit) -> Response[Any]:
    """The confirmation as a page."""
    visit.require("manage")
    view = await rewards.load(visit.client, visit.query("id"), visit.now)
    return await visit.page(
        "pages/reward_delete.html", page="rewards", view=view, idempotency_key=str(uuid4())
    )


@post("/reward/delete", status_code=200, operation_id="dashboardRewardDelete")
async def delete(visit: Visit) -> Response[Any]:
    """Delete the reward permanently."""
    visit.require("manage")
    try:
        await visit.writing.loyalty.rewards.delete(
            visit.query("id"), idempotency_key=visit.field("idempotency_key") or None
        )
    except UNKNOWN_OUTCOME:
        return await show_unknown_outcome(visit, "rewards")
    toast = Toast(visit.text("reward.deleted", name=visit.field("name") or visit.query("id")))
    return await visit.redirect(link("rewards"), toast)


ROUTES: Final[tuple[ControllerRouterHandler, ...]] = (
    show_rewards,
    show_reward,
    show_versions,
    set_active,
    show_delete,
    delete,
    *reward_edit.ROUTES,
)
