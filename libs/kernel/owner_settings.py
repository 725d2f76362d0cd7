"""The settings that all owners of operations have, the services behind the gateway."""

from libs.kernel.kafka import KafkaSecurity
from libs.kernel.settings import Secret


class OwnerSettings(KafkaSecurity, frozen=True, kw_only=True):
    """The base class of the settings of a service with a database that connects to Kafka. One field per
    variable, `WHALE_` before its name; those without a default must be set."""

    database_url: str
    kafka_url: str
    internal_token: Secret
    http_port: int
    http_host: str = "127.0.0.1"
    metrics_port: int = 0
    mode: str = "production"
    log_level: str = "info"
    otlp_endpoint: str = ""
