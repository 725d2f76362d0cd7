"""The settings of anomaly, read from the environment."""

from libs.kernel.kafka import KafkaSecurity
from libs.kernel.settings import Secret


class Settings(KafkaSecurity, frozen=True, kw_only=True):
    """One field per variable, named with the prefix `WHALE_`. Fields without a default are required."""

    database_url: str
    kafka_url: str
    redis_url: str
    internal_token: Secret
    http_port: int
    http_host: str = "127.0.0.1"
    metrics_port: int = 0
    mode: str = "production"
    log_level: str = "info"
    otlp_endpoint: str = ""
    # The parts that this process runs, so that each can be scaled separately.
    roles: frozenset[str] = frozenset({"api", "consumers", "relay"})
