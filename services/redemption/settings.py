"""What redemption is told by its environment."""

from libs.kernel.kafka import KafkaSecurity


class Settings(KafkaSecurity, frozen=True, kw_only=True):
    """One field per variable, `WHALE_` before its name; those without a default must be set."""

    database_url: str
    kafka_url: str
    earning_url: str
    catalog_url: str
    internal_token: str
    http_port: int
    http_host: str = "127.0.0.1"
    metrics_port: int = 0
    mode: str = "production"
    log_level: str = "info"
    # Which parts this process runs, so that they can be scaled apart.
    roles: frozenset[str] = frozenset({"api", "consumers", "sweeper"})
    # Shorter than the gateway waits for us, so that a lost answer is told as such.
    peer_timeout_seconds: float = 8.0
