"""The settings of catalog, from its environment."""

from libs.kernel.kafka import KafkaSecurity
from libs.kernel.settings import Secret


class Settings(KafkaSecurity, frozen=True, kw_only=True):
    """One field per variable, `WHALE_` before its name; those without a default must be set."""

    database_url: str
    kafka_url: str
    internal_token: Secret
    http_port: int
    http_host: str = "127.0.0.1"
    metrics_port: int = 0
    mode: str = "production"
    log_level: str = "info"
    otlp_endpoint: str = ""
    # The addresses of earning, to warn of a reward that requires a tier which no program has. Without
    # them, nothing is warned of.
    earning_url: tuple[str, ...] = ()
    # A change of a reward waits for this warning no longer than this.
    peer_timeout_seconds: float = 2.0
    # The parts that this process runs, so that they can be scaled separately.
    roles: frozenset[str] = frozenset({"api", "consumers", "relay"})
