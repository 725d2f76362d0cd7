"""The settings of redemption, from its environment."""

from libs.kernel.owner_settings import OwnerSettings


class Settings(OwnerSettings, frozen=True, kw_only=True):
    # The addresses of all processes of a service, or that of a load balancer in front of them.
    earning_url: tuple[str, ...]
    catalog_url: tuple[str, ...]
    # The parts that this process runs, so that they can be scaled separately.
    roles: frozenset[str] = frozenset({"api", "consumers", "sweeper"})
    # Shorter than the gateway waits for this service, so that a lost response is reported as one.
    peer_timeout_seconds: float = 8.0
