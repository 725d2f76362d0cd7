"""The settings of redemption, from its environment."""

from libs.kernel.kafka import KafkaSecurity
from libs.kernel.settings import Secret


class Settings(KafkaSecurity, frozen=True, kw_only=True):
    """One field per variable, `WHALE_` before its name; those without a default must be set."""

    database_url: str
    kafka_url: str
    # The addresses of all processes of a service, or that of a load balancer in front of them.
    earning_url: tuple[str, ...]
    catalog_url: tuple[str, ...]
    internal_token: Secret
    http_port: int
    http_host: str = "127.0.0.1"
    metrics_port: int = 0
    mode: str = "production"
    log_level: str = "info"
    otlp_endpoint: str = ""
    # The parts that this process runs, so that they can be scaled separately.
    roles: frozenset[str] = frozenset({"api", "consumers", "sweeper"})
    # Shorter than the gateway waits for this service, so that a lost response is reported as one.
    peer_timeout_seconds: float = 8.0
