"""The security options of FastStream's broker, apart from those of the clients: the command line needs
no FastStream, whose import takes longer than most commands."""

from faststream.security import BaseSecurity, SASLPlaintext, SASLScram256, SASLScram512

from libs.kernel.kafka import KafkaSecurity
from libs.messaging.security import tls_context

_SASL = {
    "PLAIN": SASLPlaintext,
    "SCRAM-SHA-256": SASLScram256,
    "SCRAM-SHA-512": SASLScram512,
}


def broker_security(security: KafkaSecurity) -> BaseSecurity:
    """The security argument of FastStream's broker."""
    tls = tls_context(security)
    if not security.uses_sasl:
        return BaseSecurity(ssl_context=tls)
    assert security.kafka_sasl_username is not None
    assert security.kafka_sasl_password is not None
    return _SASL[security.kafka_sasl_mechanism](
        username=security.kafka_sasl_username,
        password=security.kafka_sasl_password,
        ssl_context=tls,
    )
