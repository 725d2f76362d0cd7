"""Calls to another service: earning, for the names of a store's tiers."""

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct

from libs.contracts.internal import StoreTiers
from libs.http_client.service_client import ServiceClient
from libs.kernel.errors import Unavailable
from libs.observability import logging

_OK: Final = 200

log = logging.get(__name__)


class Tiers(Struct, frozen=True):
    """The tiers of the stores' default programs; without a `service`, nothing is known of them."""

    service: ServiceClient | None

    async def names(self, store_id: str) -> Sequence[str] | None:
        """The names of the store's tiers; None if it has no active program, and while earning does not
        respond: a reward may be changed all the same."""
        if self.service is None:
            return None
        try:
            response = await self.service.send("GET", f"/internal/stores/{store_id}/tiers", {})
        except Unavailable as error:
            log.warning("tiers_unknown", error=error.detail)
            return None
        if response.status != _OK:
            return None
        return msgspec.json.decode(response.body, type=StoreTiers).names
