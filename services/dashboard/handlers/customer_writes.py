"""The writes of the customer page, and how each of them may end."""

import asyncio
from collections.abc import Awaitable, Mapping
from datetime import date
from typing import Final, TypeVar

from msgspec import Struct, UnsetType

from services.dashboard.clients import UNKNOWN_OUTCOME
from services.dashboard.domain.points_form import Action
from whale_loyalty import AsyncWhaleClient, errors
from whale_loyalty.models import CustomerStatus, Redemption, Transaction

T = TypeVar("T")

_SECONDS_BETWEEN: Final = 0.25
_CHECKS: Final = 20


class Refusal(Struct, frozen=True):
    """Nothing was changed: field name → why; the name "" is of the whole form. `is_invalid` if the values
    break a bound, and not the state of the account."""

    errors: Mapping[str, str]
    is_invalid: bool = False


class UnknownOutcome(Struct, frozen=True):
    """The write may have happened; repeated with its idempotency key, it happens once."""

    code: str
    detail: str
    request_id: str | None


async def post_points(
    client: AsyncWhaleClient,
    action: Action,
    customer_id: str,
    *,
    points: int,
    reason: str,
    expires_on: date | UnsetType | None,
    idempotency_key: str,
) -> Transaction | Refusal | UnknownOutcome:
    """Award or adjust points. `expires_on` is their last day, None for never; UNSET leaves it to the
    program."""
    loyalty = client.loyalty
    call = loyalty.earn if action == "award" else loyalty.adjust
    return await _outcome(
        call(
            customer_id,
            points=points,
            reason=reason,
            expires_on=expires_on,
            idempotency_key=idempotency_key,
        )
    )


async def release_points(
    client: AsyncWhaleClient, order_id: str, *, idempotency_key: str
) -> Transaction | Refusal | UnknownOutcome:
    """Make the pending points of an order available now."""
    return await _outcome(client.loyalty.orders.release(order_id, idempotency_key=idempotency_key))


async def set_status(
    client: AsyncWhaleClient,
    customer_id: str,
    *,
    status: str,
    note: str,
    idempotency_key: str,
) -> CustomerStatus | Refusal | UnknownOutcome:
    """Suspend an account or make it active again."""
    return await _outcome(
        client.loyalty.customers.update(
            customer_id, status=status, note=note or None, idempotency_key=idempotency_key
        )
    )


async def is_suspended_soon(client: AsyncWhaleClient, customer_id: str) -> bool:
    """Whether the account is suspended, or becomes so within 5 seconds."""
    for _ in range(_CHECKS):
        status = await client.loyalty.customers.retrieve(customer_id)
        if status.status == "suspended":
            return True
        await asyncio.sleep(_SECONDS_BETWEEN)
    return False


async def settle_redemption(
    client: AsyncWhaleClient, redemption_id: str, *, is_cancel: bool, idempotency_key: str
) -> Redemption | Refusal | UnknownOutcome:
    """Cancel a redemption or mark it as used."""
    redemptions = client.loyalty.redemptions
    call = redemptions.cancel if is_cancel else redemptions.use
    return await _outcome(call(redemption_id, idempotency_key=idempotency_key))


async def _outcome(write: Awaitable[T]) -> T | Refusal | UnknownOutcome:
    try:
        return await write
    except errors.InvalidRequest as error:
        return Refusal({_field(one): one["detail"] for one in error.errors or []}, is_invalid=True)
    except errors.InsufficientPoints as error:
        return Refusal({"points": error.detail})
    except (errors.Refused, errors.RateLimited, errors.IdempotencyKeyReused) as error:
        return Refusal({"": error.detail})
    except UNKNOWN_OUTCOME as error:
        return UnknownOutcome(error.code, error.detail, error.request_id)


def _field(error: Mapping[str, str]) -> str:
    """The form's field for a value that the API refused: `#/points` → points."""
    name = error.get("pointer", "").removeprefix("#/")
    return name if name in {"points", "reason", "expires_on", "note"} else ""
