"""The services of a local stack send their spans where the stack's settings say."""

import pytest

from tools.stack import config, services
from tools.stack.config import SERVICES

SECRETS = config.Secrets()


@pytest.mark.parametrize(
    ("settings", "endpoint"),
    [
        pytest.param({"WHALE_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, "http://127.0.0.1:4318"),
        pytest.param({}, ""),
    ],
    ids=["a collector", "none"],
)
def test_every_service_gets_the_endpoint(settings: dict[str, str], endpoint: str) -> None:
    addresses = services.addresses(config.settings(settings), SECRETS)
    processes = [services.define_process(service, addresses, SECRETS) for service in SERVICES]
    assert {process.environment["WHALE_OTLP_ENDPOINT"] for process in processes} == {endpoint}
