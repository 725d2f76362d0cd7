"""The settings of secure connections to Kafka, shared by every service and tool."""

from typing import Final, Literal

from msgspec import Struct


class KafkaSecurity(Struct, frozen=True, kw_only=True):
    """The base class of the settings of every process that connects to Kafka."""

    # How connections to Kafka are protected; use `SASL_SSL` in production.
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    # How the user name and the password are sent to Kafka, for a protocol that begins with SASL.
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    kafka_sasl_username: str | None = None
    kafka_sasl_password: str | None = None
    # The certificate authorities that Kafka's certificate is checked against; by default, the system's.
    kafka_ca_file: str | None = None
    # The client certificate and its key, if Kafka requires one.
    kafka_certificate_file: str | None = None
    kafka_key_file: str | None = None

    def __post_init__(self) -> None:
        has_credentials = (
            self.kafka_sasl_username is not None and self.kafka_sasl_password is not None
        )
        if self.uses_sasl and not has_credentials:
            raise ValueError(
                f"WHALE_KAFKA_SASL_USERNAME and WHALE_KAFKA_SASL_PASSWORD are required with "
                f"{self.kafka_security_protocol}"
            )

    @property
    def uses_sasl(self) -> bool:
        return self.kafka_security_protocol.startswith("SASL")

    @property
    def uses_tls(self) -> bool:
        return self.kafka_security_protocol.endswith("SSL")


PLAINTEXT: Final = KafkaSecurity()
