"""The routes of /v1: which service owns each, the scope it needs, how large a body may be."""

import re
from typing import Final

from msgspec import Struct

from services.gateway.domain import Scope

_BODY: Final = 64 * 1024
_BATCH: Final = 1024 * 1024
_CUSTOMER: Final = re.compile(rb"(^|&)customer_id=")


class Route(Struct, frozen=True):
    """Where a method of a path goes, and what it takes."""

    service: str
    scope: Scope
    largest_body: int = _BODY
    # The one question that another service answers: which of the rewards this customer can have.
    for_customer: str | None = None

    def owner(self, query: bytes) -> str:
        """The service that answers a request with this query."""
        if self.for_customer is not None and _CUSTOMER.search(query):
            return self.for_customer
        return self.service


# Paths under /v1/stores/{store_id}; `{id}` stands for any one segment.
_TABLE: Final = (
    ("GET", "loyalty-programs", Route("earning", "read")),
    ("POST", "loyalty-programs", Route("earning", "manage")),
    ("GET", "loyalty-programs/{id}", Route("earning", "read")),
    ("PATCH", "loyalty-programs/{id}", Route("earning", "manage")),
    ("POST", "loyalty/earn", Route("earning", "earn")),
    ("POST", "loyalty/earn/batch", Route("earning", "earn", _BATCH)),
    ("POST", "loyalty/adjust", Route("earning", "manage")),
    ("GET", "loyalty/customers", Route("earning", "read")),
    ("GET", "loyalty/summary", Route("earning", "read")),
    ("PATCH", "loyalty/customers/{id}", Route("earning", "manage")),
    ("GET", "loyalty/customers/{id}", Route("earning", "read")),
    ("GET", "loyalty/transactions", Route("earning", "read")),
    ("GET", "loyalty/transactions/{id}", Route("earning", "read")),
    ("GET", "loyalty/rewards", Route("catalog", "read", for_customer="redemption")),
    ("POST", "loyalty/rewards", Route("catalog", "manage")),
    ("GET", "loyalty/rewards/{id}", Route("catalog", "read")),
    ("PATCH", "loyalty/rewards/{id}", Route("catalog", "manage")),
    ("DELETE", "loyalty/rewards/{id}", Route("catalog", "manage")),
    ("POST", "loyalty/redeem", Route("redemption", "redeem")),
    ("GET", "loyalty/redemptions", Route("redemption", "read")),
    ("GET", "loyalty/redemptions/{id}", Route("redemption", "read")),
    ("POST", "loyalty/redemptions/{id}/cancel", Route("redemption", "redeem")),
    ("POST", "loyalty/redemptions/{id}/use", Route("redemption", "redeem")),
    ("GET", "loyalty/anomalies", Route("anomaly", "read")),
    ("GET", "loyalty/anomalies/{id}", Route("anomaly", "read")),
    ("PATCH", "loyalty/anomalies/{id}", Route("anomaly", "manage")),
    ("GET", "loyalty/anomaly-settings", Route("anomaly", "read")),
    ("PUT", "loyalty/anomaly-settings", Route("anomaly", "manage")),
    ("POST", "loyalty/anomaly-settings/backtest", Route("anomaly", "read")),
)

Methods = dict[str, Route]


def _by_path() -> dict[tuple[str, ...], Methods]:
    found: dict[tuple[str, ...], Methods] = {}
    for method, path, route in _TABLE:
        found.setdefault(tuple(path.split("/")), {})[method] = route
    return found


_PATHS: Final = _by_path()


def methods_of(segments: tuple[str, ...]) -> Methods | None:
    """The methods of the path with these segments, or None where there is no such path."""
    if "" in segments:
        return None
    return (
        _PATHS.get(segments)
        or _PATHS.get((*segments[:-1], "{id}"))
        or _PATHS.get((*segments[:-2], "{id}", *segments[-1:]))
    )
