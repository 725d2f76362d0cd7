"""Clients of the services that redemption calls: the ledger for points, the catalog for rewards."""

from collections.abc import Sequence
from typing import Any, Final, TypeVar
from urllib.parse import quote
from uuid import UUID

import msgspec
from msgspec import Struct

from libs.contracts import internal
from libs.contracts.events import RewardChanged, RewardRef
from libs.contracts.headers import KEY_ID, KEY_NAME, REQUEST_ID
from libs.http_client.connections import ServiceResponse
from libs.http_client.service_client import ServiceClient, refusal_of
from libs.kernel.caller import Caller
from libs.kernel.errors import Unavailable, WhaleError
from services.redemption.domain.redemptions import Debit, Redemption

T = TypeVar("T")

_OK: Final = 200
_NOT_FOUND: Final = 404


class Ledger(Struct, frozen=True):
    """The ledger of the earning service. Each call raises Unavailable without a response.

    The ledger records one debit per redemption, so every call may be repeated.
    """

    service: ServiceClient

    async def debit(
        self, redemption: Redemption, caller: Caller
    ) -> internal.DebitState | WhaleError:
        """Take the price; returns the debit, or the refusal, which is final."""
        request = internal.DebitRequest(
            redemption_id=redemption.public_id,
            customer_id=redemption.customer_id,
            points=redemption.points,
            reward=RewardRef(redemption.reward_id, redemption.reward_name),
            min_tier=redemption.min_tier,
        )
        response = await self._post(redemption.store_id, "debits", request, caller)
        return _read(response, internal.DebitState)

    async def find_debits(
        self, store_id: str, redemptions: Sequence[Redemption], caller: Caller
    ) -> dict[UUID, Debit]:
        """The debits that the ledger has committed for redemptions of the store, by redemption. Asking
        changes nothing: a redemption without a debit may still be debited."""
        by_public_id = {redemption.public_id: redemption.id for redemption in redemptions}
        request = internal.DebitCheck(redemption_ids=list(by_public_id))
        response = await self._post(store_id, "debit-checks", request, caller)
        if response.status != _OK:
            # Also an earlier version of the ledger, which does not know the question.
            raise Unavailable(
                "The ledger cannot say yet whether the points were taken. Try again in a moment."
            )
        result = msgspec.json.decode(response.body, type=internal.DebitCheckResult)
        return {
            by_public_id[debit.redemption_id]: Debit(
                debit.transaction_id, debit.balance_after, debit.created_at
            )
            for debit in result.debits
        }

    async def settle(self, redemption: Redemption, caller: Caller) -> internal.DebitState:
        """Decide whether the price was taken; if it was not, it never will be."""
        request = _identify(redemption)
        response = await self._post(redemption.store_id, "settlements", request, caller)
        return _expect(response, internal.DebitState)

    async def cancel(
        self, redemption: Redemption, caller: Caller
    ) -> internal.DebitState | WhaleError:
        """Return the points; returns the cancelled debit, or the refusal."""
        request = _identify(redemption)
        response = await self._post(redemption.store_id, "cancellations", request, caller)
        return _read(response, internal.DebitState)

    async def check_prices(
        self, store_id: str, request: internal.PriceCheck, caller: Caller
    ) -> internal.PriceCheckResult:
        """For each price, whether the customer could pay it."""
        response = await self._post(store_id, "price-checks", request, caller)
        return _expect(response, internal.PriceCheckResult)

    async def _post(
        self, store_id: str, path: str, request: Struct, caller: Caller
    ) -> ServiceResponse:
        headers = {
            REQUEST_ID: caller.request_id,
            KEY_ID: caller.key_id,
            KEY_NAME: caller.key_name,
            "Content-Type": "application/json",
        }
        target = f"/internal/stores/{store_id}/{path}"
        body = msgspec.json.encode(request)
        return await self.service.send("POST", target, headers, body, repeatable=True)


class Catalog(Struct, frozen=True):
    """The catalog service. Each call raises Unavailable without a response."""

    service: ServiceClient

    async def find_reward(self, store_id: str, reward_id: str) -> RewardChanged | None:
        """The current version of the reward, or None."""
        target = f"/internal/stores/{store_id}/rewards/{quote(reward_id, safe='')}"
        response = await self.service.send("GET", target, {})
        return None if response.status == _NOT_FOUND else _expect(response, RewardChanged)


def _identify(redemption: Redemption) -> internal.RedemptionRequest:
    return internal.RedemptionRequest(
        redemption_id=redemption.public_id, customer_id=redemption.customer_id
    )


def _read(response: ServiceResponse, kind: type[T]) -> T | WhaleError:
    """The content of the response, or the refusal in it. Raises Unavailable for any other response."""
    if response.status == _OK:
        return msgspec.json.decode(response.body, type=kind)
    return refusal_of(response)


def _expect(response: ServiceResponse, kind: type[T]) -> T:
    content: Any = _read(response, kind)
    if isinstance(content, WhaleError):
        raise content
    assert isinstance(content, kind)
    return content
