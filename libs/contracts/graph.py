"""The service graph: which service calls which over HTTP, and whose events each service consumes.

Network policies allow the calls and no others; the spans of a running system show every edge and no other.
"""

from typing import Final

from msgspec import Struct

from libs.contracts.access import ACCESS
from libs.contracts.groups import GROUPS
from libs.contracts.operations import OWNERS

HTTP: Final = "HTTP"
# The callers outside of the system: shops, apps and browsers.
OUTSIDE: Final = "outside"


class Edge(Struct, frozen=True, order=True):
    """From a service to another one, by HTTP or by a topic."""

    source: str
    by: str
    target: str

    def __str__(self) -> str:
        return f"{self.source} ─{self.by}▶ {self.target}"


CALLS: Final = frozenset(
    {
        *((OUTSIDE, "gateway"), ("dashboard", "gateway"), ("gateway", "dashboard")),
        *(("gateway", owner) for owner in OWNERS),
        # Debits, and rewards whose events have not arrived yet.
        *(("redemption", "earning"), ("redemption", "catalog")),
        # The tiers that a reward may require.
        ("catalog", "earning"),
    }
)

# Principals on Kafka that are no part of this graph: they run commands, or only read.
_NO_SERVICE: Final = frozenset({"operator", "reader"})
_SHOP: Final = "shop"


def edges() -> frozenset[Edge]:
    """Every edge: the calls, and each topic from those who may publish it to those who consume it."""
    calls = {Edge(caller, HTTP, callee) for caller, callee in CALLS}
    deliveries = {
        Edge(OUTSIDE if access.principal == _SHOP else access.principal, topic, group.service)
        for access in ACCESS
        if access.principal not in _NO_SERVICE
        for topic in access.writes
        for group in GROUPS
        if topic in group.topics
    }
    return frozenset(calls | deliveries)
