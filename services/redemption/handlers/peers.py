"""What redemption asks of the other services: the ledger for points, the catalog for rewards."""

from typing import Any, Final, TypeVar
from urllib.parse import quote

import msgspec
from msgspec import Struct

from libs.contracts import internal
from libs.contracts.events import RewardChanged, RewardRef
from libs.http_client.service_client import ServiceClient, ServiceResponse, refusal_of
from libs.kernel.errors import WhaleError
from libs.observability import tracing
from services.redemption.domain.redemptions import Redemption
from services.redemption.handlers.render import redemption_id

T = TypeVar("T")

_OK: Final = 200
_NOT_FOUND: Final = 404


class Peers(Struct, frozen=True):
    """The services beside this one. Each call raises Unavailable where no answer came."""

    earning: ServiceClient
    catalog: ServiceClient

    async def debit(self, redemption: Redemption, request_id: str) -> internal.Debited | WhaleError:
        """Take the price: what the ledger has of it, or why it refuses, which is for ever."""
        asked = internal.DebitRequest(
            redemption_id=redemption_id(redemption),
            customer_id=redemption.customer_id,
            points=redemption.points,
            reward=RewardRef(redemption.reward_id, redemption.reward_name),
            min_tier=redemption.min_tier,
        )
        answer = await self._ask_ledger(redemption.store_id, "debits", asked, request_id)
        return _read(answer, internal.Debited)

    async def settle(self, redemption: Redemption, request_id: str) -> internal.Debited:
        """What the ledger has of the redemption; what it has not taken it never will."""
        answer = await self._ask_ledger(
            redemption.store_id, "settlements", _named(redemption), request_id
        )
        return _expect(answer, internal.Debited)

    async def cancel(
        self, redemption: Redemption, request_id: str
    ) -> internal.Debited | WhaleError:
        """Give the points back, or why that cannot be."""
        answer = await self._ask_ledger(
            redemption.store_id, "cancellations", _named(redemption), request_id
        )
        return _read(answer, internal.Debited)

    async def check_prices(
        self, store_id: str, asked: internal.PriceCheck, request_id: str
    ) -> internal.PriceAnswer:
        """Which prices the customer could pay; raises NotFound for an unknown customer."""
        answer = await self._ask_ledger(store_id, "price-checks", asked, request_id)
        return _expect(answer, internal.PriceAnswer)

    async def find_reward(self, store_id: str, reward_id: str) -> RewardChanged | None:
        """The reward as the catalog has it now, or None."""
        target = f"/internal/stores/{store_id}/rewards/{quote(reward_id, safe='')}"
        answer = await self.catalog.send("GET", target, {})
        return None if answer.status == _NOT_FOUND else _expect(answer, RewardChanged)

    async def _ask_ledger(
        self, store_id: str, what: str, asked: Struct, request_id: str
    ) -> ServiceResponse:
        headers = {
            "X-Request-Id": request_id,
            "Content-Type": "application/json",
            tracing.HEADER: tracing.traceparent(tracing.current()),
        }
        target = f"/internal/stores/{store_id}/{what}"
        # The ledger keeps one record per redemption, so that each of these may arrive twice.
        return await self.earning.send(
            "POST", target, headers, msgspec.json.encode(asked), repeatable=True
        )


def _named(redemption: Redemption) -> internal.RedemptionRequest:
    return internal.RedemptionRequest(
        redemption_id=redemption_id(redemption), customer_id=redemption.customer_id
    )


def _read(answer: ServiceResponse, kind: type[T]) -> T | WhaleError:
    """The answer, or the refusal in it; raises Unavailable for anything else."""
    if answer.status == _OK:
        return msgspec.json.decode(answer.body, type=kind)
    return refusal_of(answer)


def _expect(answer: ServiceResponse, kind: type[T]) -> T:
    found: Any = _read(answer, kind)
    if isinstance(found, WhaleError):
        raise found
    assert isinstance(found, kind)
    return found
