"""The ports of metrics are known before the stack is up, and `make status` shows them."""

from tools.stack import config, services
from tools.stack.config import SERVICES, Settings
from tools.stack.report import Line, format_table

SECRETS = config.Secrets()


def test_each_service_has_the_next_port() -> None:
    settings = Settings(metrics_port=19101)
    assert services.addresses(settings, SECRETS).metrics == {
        service: 19101 + number for number, service in enumerate(SERVICES)
    }
    assert set(settings.metrics_ports.values()) < settings.ports


def test_port_0_takes_free_ports() -> None:
    ports = services.addresses(Settings(metrics_port=0), SECRETS).metrics
    assert set(ports) == set(SERVICES)
    assert len(set(ports.values())) == len(SERVICES)
    assert min(ports.values()) > 19106


def test_a_line_of_status_ends_with_the_port() -> None:
    lines = format_table(
        [Line("gateway", "running", 7, "127.0.0.1:8080", 19105), Line("redis", "running", 8, "x")]
    )
    assert lines[0].endswith("127.0.0.1:8080  metrics :19105")
    assert lines[1].endswith("x")
