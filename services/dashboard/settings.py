"""The settings of the dashboard, from its environment."""

from typing import Literal

from msgspec import Struct

from libs.kernel.settings import Secret


class Settings(Struct, frozen=True, kw_only=True):
    """One field per variable, `WHALE_` before its name; those without a default must be set."""

    redis_url: str
    internal_token: Secret
    # Encrypts sessions, at least 32 characters. Changing it signs everybody out.
    session_secret: Secret
    # The address of the gateway, or of a load balancer in front of its processes.
    gateway_url: str
    http_port: int
    http_host: str = "127.0.0.1"
    metrics_port: int = 0
    mode: Literal["local", "production"] = "production"
    log_level: str = "info"
    otlp_endpoint: str = ""
    # A session ends when it was not used for this long, and in any case after the second time.
    session_idle_seconds: int = 2 * 60 * 60
    session_seconds: int = 12 * 60 * 60
    # A part of a page that takes longer is shown as not available.
    panel_timeout_seconds: float = 2.0
    # A write waits this long for the gateway: less than the gateway waits for the dashboard, which then
    # still says that the outcome is not known.
    write_timeout_seconds: float = 10.0
