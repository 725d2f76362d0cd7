"""Kafka's users and access lists, for a broker that authenticates its clients by SCRAM.

aiokafka's client has no method for either, so the request that creates users is defined here.
"""

import hashlib
import secrets
from collections.abc import Mapping
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import CreateAclsRequest
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    CompactArray,
    CompactBytes,
    CompactString,
    Int8,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

from libs.contracts.access import ACCESS, Access
from libs.kernel.kafka import KafkaSecurity
from libs.messaging.security import client_options
from tools.stack.errors import StackError

# Kafka's own numbers of resources, patterns, operations and permissions.
_TOPIC, _GROUP = 2, 3
_LITERAL, _PREFIXED = 3, 4
_READ, _WRITE = 3, 4
_ALLOW: Final = 3
# Kafka's number of each mechanism, and the name of its hash.
_MECHANISMS: Final = {"SCRAM-SHA-256": (1, "sha256"), "SCRAM-SHA-512": (2, "sha512")}
_ITERATIONS: Final = 8_192
_SALT_BYTES: Final = 16


async def create_users(
    bootstrap: str, passwords: Mapping[str, str], *, security: KafkaSecurity
) -> None:
    """Create a user per entry of `passwords`, or set the password of an existing one, for the
    mechanism of `security`. Raises StackError."""
    if security.kafka_sasl_mechanism not in _MECHANISMS:
        raise StackError(
            f"Users cannot be created for the mechanism {security.kafka_sasl_mechanism}: use SCRAM, or "
            "create them yourself and pass --no-kafka-users."
        )
    number, digest = _MECHANISMS[security.kafka_sasl_mechanism]
    credentials: list[Any] = []
    for name, password in passwords.items():
        salt = secrets.token_bytes(_SALT_BYTES)
        salted = hashlib.pbkdf2_hmac(digest, password.encode(), salt, _ITERATIONS)
        credentials.append((name, number, _ITERATIONS, salt, salted, {}))
    (response,) = await _send(bootstrap, [_AlterUsers(credentials)], security)
    for name, code, message, *_ in response.results:
        if code:
            raise StackError(
                f"Kafka does not let {security.kafka_sasl_username} create the user {name}: "
                f"{message}. Name an administrator in WHALE_KAFKA_SASL_USERNAME, or create the users "
                "yourself and pass --no-kafka-users."
            )


async def allow_access(bootstrap: str, *, security: KafkaSecurity) -> None:
    """Write the access lists of libs.contracts.access; those that exist stay. Raises StackError."""
    rules = [(access, rule) for access in ACCESS for rule in _rules(access)]
    requests = [
        CreateAclsRequest(kind, name, pattern, f"User:{access.principal}", "*", operation, _ALLOW)
        for access, (kind, name, pattern, operation) in rules
    ]
    responses = await _send(bootstrap, requests, security)
    for (access, rule), response in zip(rules, responses, strict=True):
        for code, message, *_ in response.creation_responses:
            if code:
                raise StackError(
                    f"Kafka does not let {security.kafka_sasl_username} give {access.principal} "
                    f"access to {rule[1]}: {message}."
                )


def _rules(access: Access) -> list[tuple[int, str, int, int]]:
    return [
        *((_TOPIC, name, _LITERAL, _READ) for name in access.reads),
        *((_TOPIC, name, _LITERAL, _WRITE) for name in access.writes),
        *((_GROUP, name, _PREFIXED, _READ) for name in access.groups),
    ]


async def _send(bootstrap: str, requests: list[Any], security: KafkaSecurity) -> list[Any]:
    """The responses to these requests."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, **client_options(security))
    await admin.start()
    try:
        # aiokafka has no public method for a request of one's own.
        return [await admin._send_request(request) for request in requests]  # noqa: SLF001
    finally:
        await admin.close()


class _AlterUsersResponse(Response):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 51
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "results",
            CompactArray(
                ("user", CompactString("utf-8")),
                ("error_code", Int16),
                ("error_message", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _AlterUsersRequest(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY = 51
    API_VERSION = 0
    RESPONSE_TYPE = _AlterUsersResponse
    SCHEMA = Schema(
        (
            "deletions",
            CompactArray(
                ("name", CompactString("utf-8")), ("mechanism", Int8), ("tags", TaggedFields)
            ),
        ),
        (
            "upsertions",
            CompactArray(
                ("name", CompactString("utf-8")),
                ("mechanism", Int8),
                ("iterations", Int32),
                ("salt", CompactBytes),
                ("salted_password", CompactBytes),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _AlterUsers(Request[_AlterUsersRequest]):  # type: ignore[misc]
    API_KEY = 51

    def __init__(self, credentials: list[Any]) -> None:
        self._credentials = credentials

    def build(self, request_struct_class: type[_AlterUsersRequest]) -> _AlterUsersRequest:
        return request_struct_class([], self._credentials, {})
