"""How Kafka is reached safely: the settings that every service and tool shares."""

from typing import Final, Literal

from msgspec import Struct


class KafkaSecurity(Struct, frozen=True, kw_only=True):
    """The base of settings of whatever reaches Kafka."""

    # How connections to Kafka are protected: `SASL_SSL` in production.
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    # How the name and the password are shown to Kafka, with a protocol that begins with SASL.
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    kafka_sasl_username: str | None = None
    kafka_sasl_password: str | None = None
    # The authorities that may have signed Kafka's certificate; the system's unless set.
    kafka_ca_file: str | None = None
    # A certificate of our own and its key, where Kafka asks for one.
    kafka_certificate_file: str | None = None
    kafka_key_file: str | None = None

    def __post_init__(self) -> None:
        named = self.kafka_sasl_username is not None and self.kafka_sasl_password is not None
        if self.uses_sasl and not named:
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
