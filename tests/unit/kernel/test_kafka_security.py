"""The settings of Kafka connections, and the options that the clients get from them."""

import ssl

import pytest
from aiokafka import AIOKafkaProducer

from libs.kernel.kafka import PLAINTEXT, KafkaSecurity
from libs.kernel.settings import SettingsError, load
from libs.messaging.broker import create_broker
from libs.messaging.security import client_options

SASL = {"WHALE_KAFKA_SASL_USERNAME": "earning", "WHALE_KAFKA_SASL_PASSWORD": "secret"}


@pytest.mark.parametrize("protocol", ["SASL_SSL", "SASL_PLAINTEXT"])
@pytest.mark.parametrize("missing", SASL)
def test_sasl_without_a_user_name_or_a_password_is_an_error(protocol: str, missing: str) -> None:
    environ = SASL | {"WHALE_KAFKA_SECURITY_PROTOCOL": protocol}
    del environ[missing]
    with pytest.raises(SettingsError, match=rf"{missing}.* required with {protocol}"):
        load(KafkaSecurity, environ)


def test_an_unknown_protocol_is_an_error() -> None:
    with pytest.raises(SettingsError, match="WHALE_KAFKA_SECURITY_PROTOCOL"):
        load(KafkaSecurity, {"WHALE_KAFKA_SECURITY_PROTOCOL": "TLS"})


def test_without_settings_connections_are_unencrypted() -> None:
    assert client_options(PLAINTEXT) == {"security_protocol": "PLAINTEXT", "ssl_context": None}


@pytest.mark.parametrize("protocol", ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"])
@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
async def test_faststream_s_broker_gets_the_same_options_as_aiokafka_s_clients(
    protocol: str, mechanism: str
) -> None:
    environ = SASL | {
        "WHALE_KAFKA_SECURITY_PROTOCOL": protocol,
        "WHALE_KAFKA_SASL_MECHANISM": mechanism,
    }
    security = load(KafkaSecurity, environ)
    options = client_options(security)
    assert isinstance(options["ssl_context"], ssl.SSLContext) == protocol.endswith("SSL")
    assert ("sasl_plain_password" in options) == protocol.startswith("SASL")
    # A client that does not accept the options raises here.
    await AIOKafkaProducer(**options).stop()
    broker = create_broker("127.0.0.1:1", [], security=security)
    broker_options = broker._connection_kwargs
    assert isinstance(broker_options["ssl_context"], ssl.SSLContext) == protocol.endswith("SSL")
    assert {name: broker_options[name] for name in options} == options | {
        "ssl_context": broker_options["ssl_context"]
    }
