"""Programs: the earning rate and the tiers."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from msgspec import UNSET, UnsetType

from whale_loyalty._operation import (
    Listing,
    Operation,
    encode,
    listing,
    read,
    segment,
    without_unset,
    write,
)
from whale_loyalty.models import (
    Expiry,
    Pending,
    Program,
    ProgramPreview,
    ProgramVersion,
    Tier,
    TierInput,
)

_PATH = "loyalty-programs"

Number = Decimal | float | str
Tiers = Sequence[Tier | TierInput]
Setting = Mapping[str, Any]


def create(
    *,
    name: str,
    points_per_dollar: Number,
    tiers: Tiers = (),
    is_active: bool = True,
    currency: str = "USD",
    keep_items: bool = False,
    time_zone: str | UnsetType | None = UNSET,
    expiry: Expiry | Setting | UnsetType | None = UNSET,
    remind_days: Sequence[int] | UnsetType | None = UNSET,
    pending: Pending | Setting | UnsetType | None = UNSET,
    idempotency_key: str | None = None,
) -> Operation[Program]:
    """Create a program. A store's oldest active program is its default. With `keep_items`, the lines of its
    orders are kept."""
    body = without_unset(
        name=name,
        points_per_dollar=points_per_dollar,
        tiers=tiers,
        is_active=is_active,
        currency=currency,
        keep_items=keep_items,
        time_zone=time_zone,
        expiry=expiry,
        remind_days=remind_days,
        pending=pending,
    )
    return write("POST", _PATH, Program, body=body, idempotency_key=idempotency_key)


def update(
    program_id: str,
    *,
    name: str | UnsetType = UNSET,
    points_per_dollar: Number | UnsetType = UNSET,
    tiers: Tiers | UnsetType | None = UNSET,
    is_active: bool | UnsetType = UNSET,
    currency: str | UnsetType = UNSET,
    keep_items: bool | UnsetType = UNSET,
    version: int | UnsetType = UNSET,
    time_zone: str | UnsetType | None = UNSET,
    expiry: Expiry | Setting | UnsetType | None = UNSET,
    remind_days: Sequence[int] | UnsetType | None = UNSET,
    pending: Pending | Setting | UnsetType | None = UNSET,
    idempotency_key: str | None = None,
) -> Operation[Program]:
    """Update a program. Transactions that are already posted do not change. `expiry`, `remind_days` and
    `pending` are replaced whole; None removes them.

    With `version`, raises Conflict if the program has another version by now.
    """
    body = without_unset(
        name=name,
        points_per_dollar=points_per_dollar,
        tiers=tiers,
        is_active=is_active,
        currency=currency,
        keep_items=keep_items,
        version=version,
        time_zone=time_zone,
        expiry=expiry,
        remind_days=remind_days,
        pending=pending,
    )
    path = f"{_PATH}/{segment(program_id)}"
    return write("PATCH", path, Program, body=body, idempotency_key=idempotency_key)


def preview(
    program_id: str,
    *,
    name: str | UnsetType = UNSET,
    points_per_dollar: Number | UnsetType = UNSET,
    tiers: Tiers | UnsetType | None = UNSET,
    is_active: bool | UnsetType = UNSET,
    currency: str | UnsetType = UNSET,
    keep_items: bool | UnsetType = UNSET,
    version: int | UnsetType = UNSET,
    time_zone: str | UnsetType | None = UNSET,
    expiry: Expiry | Setting | UnsetType | None = UNSET,
    remind_days: Sequence[int] | UnsetType | None = UNSET,
    pending: Pending | Setting | UnsetType | None = UNSET,
) -> Operation[ProgramPreview]:
    """What an update would mean for orders and customers. Changes nothing."""
    body = without_unset(
        name=name,
        points_per_dollar=points_per_dollar,
        tiers=tiers,
        is_active=is_active,
        currency=currency,
        keep_items=keep_items,
        version=version,
        time_zone=time_zone,
        expiry=expiry,
        remind_days=remind_days,
        pending=pending,
    )
    path = f"{_PATH}/{segment(program_id)}/preview"
    return Operation(method="POST", path=path, response_type=ProgramPreview, body=encode(body))


def preview_new(
    *,
    name: str,
    points_per_dollar: Number,
    tiers: Tiers = (),
    is_active: bool = True,
    currency: str = "USD",
    keep_items: bool = False,
    time_zone: str | UnsetType | None = UNSET,
    expiry: Expiry | Setting | UnsetType | None = UNSET,
    remind_days: Sequence[int] | UnsetType | None = UNSET,
    pending: Pending | Setting | UnsetType | None = UNSET,
) -> Operation[ProgramPreview]:
    """What a new program would mean for orders and customers. Creates none."""
    body = without_unset(
        name=name,
        points_per_dollar=points_per_dollar,
        tiers=tiers,
        is_active=is_active,
        currency=currency,
        keep_items=keep_items,
        time_zone=time_zone,
        expiry=expiry,
        remind_days=remind_days,
        pending=pending,
    )
    path = f"{_PATH}/preview"
    return Operation(method="POST", path=path, response_type=ProgramPreview, body=encode(body))


def list_versions(
    program_id: str, *, limit: int | None = None, starting_after: str | None = None
) -> Listing[ProgramVersion]:
    """The program's versions, newest first; `starting_after` is a version number."""
    return listing(
        f"{_PATH}/{segment(program_id)}/versions",
        ProgramVersion,
        get_id=lambda item: str(item.version),
        limit=limit,
        starting_after=starting_after,
    )


def list_programs(
    *, limit: int | None = None, starting_after: str | None = None
) -> Listing[Program]:
    """The store's programs, oldest first."""
    return listing(
        _PATH, Program, get_id=lambda item: item.id, limit=limit, starting_after=starting_after
    )


def retrieve(program_id: str) -> Operation[Program]:
    """One program."""
    return read(f"{_PATH}/{segment(program_id)}", Program)
