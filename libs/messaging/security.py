"""The security options of the Kafka clients, built from the settings."""

import ssl
from typing import Any

from libs.kernel.kafka import KafkaSecurity
from libs.messaging import closing


def client_options(security: KafkaSecurity) -> dict[str, Any]:
    """The security arguments of aiokafka's clients."""
    options: dict[str, Any] = {
        "security_protocol": security.kafka_security_protocol,
        "ssl_context": tls_context(security),
    }
    if security.uses_sasl:
        options |= {
            "sasl_mechanism": security.kafka_sasl_mechanism,
            "sasl_plain_username": security.kafka_sasl_username,
            "sasl_plain_password": security.kafka_sasl_password,
        }
    return options


def tls_context(security: KafkaSecurity) -> ssl.SSLContext | None:
    """How a client verifies the broker and identifies itself; None without TLS."""
    if not security.uses_tls:
        return None
    closing.install()
    context = ssl.create_default_context(cafile=security.kafka_ca_file)
    if security.kafka_certificate_file is not None:
        context.load_cert_chain(security.kafka_certificate_file, security.kafka_key_file)
    return context
