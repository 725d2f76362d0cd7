"""The security options of the Kafka clients, built from the settings."""

import ssl
from typing import Any

from faststream.security import BaseSecurity, SASLPlaintext, SASLScram256, SASLScram512

from libs.kernel.kafka import KafkaSecurity

_SASL = {
    "PLAIN": SASLPlaintext,
    "SCRAM-SHA-256": SASLScram256,
    "SCRAM-SHA-512": SASLScram512,
}


def client_options(security: KafkaSecurity) -> dict[str, Any]:
    """The security arguments of aiokafka's clients."""
    options: dict[str, Any] = {
        "security_protocol": security.kafka_security_protocol,
        "ssl_context": _tls(security),
    }
    if security.uses_sasl:
        options |= {
            "sasl_mechanism": security.kafka_sasl_mechanism,
            "sasl_plain_username": security.kafka_sasl_username,
            "sasl_plain_password": security.kafka_sasl_password,
        }
    return options


def broker_security(security: KafkaSecurity) -> BaseSecurity:
    """The security argument of FastStream's broker."""
    tls = _tls(security)
    if not security.uses_sasl:
        return BaseSecurity(ssl_context=tls)
    assert security.kafka_sasl_username is not None
    assert security.kafka_sasl_password is not None
    return _SASL[security.kafka_sasl_mechanism](
        username=security.kafka_sasl_username,
        password=security.kafka_sasl_password,
        ssl_context=tls,
    )


def _tls(security: KafkaSecurity) -> ssl.SSLContext | None:
    if not security.uses_tls:
        return None
    context = ssl.create_default_context(cafile=security.kafka_ca_file)
    if security.kafka_certificate_file is not None:
        context.load_cert_chain(security.kafka_certificate_file, security.kafka_key_file)
    return context
