"""The settings of earning, read from the environment."""

from libs.kernel.kafka import KafkaSecurity
from libs.kernel.settings import Secret


class Settings(KafkaSecurity, frozen=True, kw_only=True):
    """One field per variable, named `WHALE_` plus the field; fields without a default are required."""

    database_url: str
    kafka_url: str
    internal_token: Secret
    http_port: int
    http_host: str = "127.0.0.1"
    metrics_port: int = 0
    mode: str = "production"
    log_level: str = "info"
    otlp_endpoint: str = ""
    # The parts that this process runs, so that they can be scaled separately.
    roles: frozenset[str] = frozenset({"api", "consumers", "relay", "books-check", "sweeper"})
