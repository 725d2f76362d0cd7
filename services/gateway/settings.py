"""The settings of the gateway, from its environment."""

from typing import Literal

from msgspec import Struct

from libs.contracts.operations import OWNERS
from libs.kernel.settings import Secret


class Settings(Struct, frozen=True, kw_only=True):
    """One field per variable, `WHALE_` before its name; those without a default must be set."""

    database_url: str
    redis_url: str
    internal_token: Secret
    key_secret: Secret
    # The addresses of all processes of a service, or that of a load balancer in front of them.
    earning_url: tuple[str, ...]
    catalog_url: tuple[str, ...]
    redemption_url: tuple[str, ...]
    anomaly_url: tuple[str, ...]
    # The addresses of the dashboard. Without them, there is none at /dashboard.
    dashboard_url: tuple[str, ...] = ()
    http_port: int
    http_host: str = "127.0.0.1"
    metrics_port: int = 0
    mode: Literal["local", "production"] = "production"
    log_level: str = "info"
    otlp_endpoint: str = ""
    # Requests of one key: so many per second on average, and so many in a burst after a pause.
    rate_limit_per_second: int = 100
    rate_limit_burst: int = 200
    # Longer than a write may take at its service, so that its response still arrives.
    upstream_timeout_seconds: float = 15.0

    @property
    def services(self) -> dict[str, tuple[str, ...]]:
        """The addresses of each service's processes, by its name."""
        return {owner: getattr(self, f"{owner}_url") for owner in OWNERS}


class KeySettings(Struct, frozen=True, kw_only=True):
    """The settings of the command that creates and revokes keys."""

    database_url: str
    key_secret: Secret
    mode: Literal["local", "production"] = "production"
