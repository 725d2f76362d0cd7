"""The services as production runs them: Kafka with TLS, names and access lists; TLS everywhere."""

import asyncio
import contextlib
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from aiokafka import TopicPartition
from aiokafka.errors import TopicAuthorizationFailedError

from libs.contracts import topics
from libs.contracts.access import ACCESS, Access
from libs.contracts.groups import EARNING_DEAD_LETTERS, GROUPS
from libs.contracts.operations import OWNERS
from libs.kernel.kafka import KafkaSecurity
from libs.kernel.settings import load
from libs.messaging.offsets import read_committed
from libs.messaging.producer import producing
from libs.persistence.migrate import Settings as MigrateSettings
from libs.testing.eventually import eventually
from tests.chaos import alone
from tests.conftest import is_ready
from tests.secured import ADMIN, Broker, Certificate, tls_in_front_of
from tests.support import ROOT, Stack
from tools.dead_letters.dlq import open_dead_letter_queue
from tools.restore.rewind import Rewind
from tools.stack import config, kafka
from tools.stack.errors import StackError
from tools.stack.kafka import BrokerUnavailable

pytestmark = [
    pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates"),
    pytest.mark.timeout(400),
]

ORDER = {
    "order_id": "1042",
    "customer_id": "cust_1",
    "total": "50.00",
    "currency": "USD",
    "completed_at": "2026-03-10T12:00:00Z",
}
SERVICES = OWNERS
EVERY_TOPIC = sorted(
    {topic.name for topic in topics.TOPICS} | {topic.dead_letters for topic in topics.CONSUMED}
)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory, certificate: Certificate) -> Iterator[Broker]:
    asyncio.run(kafka.download())
    broker = Broker(tmp_path_factory.mktemp("kafka"), certificate)
    with broker.running():
        yield broker


@pytest.fixture(scope="module")
def secured(broker: Broker) -> Iterator[Stack]:
    """Databases, Redis and topics, made by the same commands as ever, with an operator's rights."""
    security = broker.security(ADMIN)
    named = {
        f"WHALE_{name.upper()}": getattr(security, name) for name in security.__struct_fields__
    }
    home = Path("/tmp") / f"whale-test-{secrets.token_hex(4)}"
    stack = Stack(
        home,
        WHALE_SERVICES="none",
        WHALE_KAFKA_URL=broker.address,
        **{name: value for name, value in named.items() if value is not None},
    )
    try:
        stack.up()
        asyncio.run(broker.let_in())
        yield stack
    finally:
        stack.down()
        shutil.rmtree(home, ignore_errors=True)


@contextlib.asynccontextmanager
async def service(stack: Stack, broker: Broker, name: str) -> AsyncIterator[None]:
    """A process of a service that Kafka knows as the service, ready."""
    port = config.free_port()
    own = broker.security(name)
    assert own.kafka_sasl_password is not None
    async with alone.healthy(
        stack,
        name,
        WHALE_HTTP_PORT=str(port),
        WHALE_KAFKA_SASL_USERNAME=name,
        WHALE_KAFKA_SASL_PASSWORD=own.kafka_sasl_password,
    ):
        await eventually(lambda: is_ready(port), within_seconds=90)
        yield


async def test_each_service_does_its_work_as_its_own_principal(
    secured: Stack, broker: Broker
) -> None:
    store_id = await alone.new_store(secured)
    async with contextlib.AsyncExitStack() as running:
        for name in SERVICES:
            await running.enter_async_context(service(secured, broker, name))
        async with producing(broker.address, security=broker.security("shop")) as shop:
            order = msgspec.json.encode({"store_id": store_id, **ORDER})
            await shop.send_and_wait(topics.ORDER_COMPLETED, order, key=b"k")
            await shop.send_and_wait(topics.ORDER_COMPLETED, b"no order", key=b"k")

        async with kafka.open_consumer(
            broker.address, topics.POINTS_EARNED, security=broker.security("reader")
        ) as reader:
            async with asyncio.timeout(60):
                record = await reader.getone()
        assert msgspec.json.decode(record.value)["store_id"] == store_id

        security = broker.security("operator")
        async with open_dead_letter_queue(broker.address, security=security) as queue:

            async def letter_came() -> None:
                assert [one.value for one in await queue.read()] == [b"no order"]

            await eventually(letter_came)
            await queue.replay(await queue.read())
            await queue.drop(await queue.read())


async def test_the_operator_sets_the_consumers_back(secured: Stack, broker: Broker) -> None:
    """As after a restore; the services are stopped."""
    security = broker.security("operator")
    rewind = Rewind(broker.address, security, datetime(2026, 1, 1, tzinfo=UTC))
    async with asyncio.timeout(60):
        await rewind.check_stopped()
        (group,) = [group for group in GROUPS if group.topics == (topics.ORDER_COMPLETED,)]
        places = [
            TopicPartition(topics.ORDER_COMPLETED, number)
            for number in range(topics.CONSUMED[0].partitions)
        ]
        await rewind._commit(topics.ORDER_COMPLETED, dict.fromkeys(places, 0))
        async with rewind._admin() as admin:
            committed = await read_committed(admin, group.name)
    assert {place: one.offset for place, one in committed.items()} == dict.fromkeys(places, 0)


@pytest.mark.parametrize("access", ACCESS, ids=lambda one: one.principal)
async def test_a_principal_writes_to_its_topics_and_to_no_other(
    secured: Stack, broker: Broker, access: Access
) -> None:
    accepted: set[str] = set()
    async with producing(broker.address, security=broker.security(access.principal)) as producer:
        for topic in EVERY_TOPIC:
            with contextlib.suppress(TopicAuthorizationFailedError):
                await producer.send_and_wait(topic, b"forged", key=b"forged")
                accepted.add(topic)
    assert accepted == set(access.writes)


@pytest.mark.parametrize("access", ACCESS, ids=lambda one: one.principal)
async def test_a_principal_reads_its_topics_and_no_other(
    secured: Stack, broker: Broker, access: Access
) -> None:
    reads = await asyncio.gather(
        *(_reads(broker, access.principal, topic) for topic in EVERY_TOPIC)
    )
    readable = {topic for topic, is_readable in zip(EVERY_TOPIC, reads, strict=True) if is_readable}
    assert readable == set(access.reads)


async def _reads(broker: Broker, principal: str, topic: str) -> bool:
    try:
        async with kafka.open_consumer(
            broker.address, topic, security=broker.security(principal)
        ) as consumer:
            await consumer.getmany(timeout_ms=1_000)
    except TopicAuthorizationFailedError:
        return False
    return True


async def test_kafka_takes_nobody_with_a_wrong_password_or_without_one(
    secured: Stack, broker: Broker
) -> None:
    own = broker.security("shop")
    wrong = msgspec.structs.replace(own, kafka_sasl_password="a guess")
    nameless = msgspec.structs.replace(own, kafka_security_protocol="SSL")
    untrusting = msgspec.structs.replace(own, kafka_ca_file=None)
    assert await kafka.is_available(broker.address, security=own)
    for security in (wrong, nameless, untrusting):
        assert not await kafka.is_available(broker.address, security=security)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"kafka_sasl_password": "a guess"}, "refuses the principal admin or its password"),
        ({"kafka_sasl_username": "nobody"}, "refuses the principal nobody or its password"),
        ({"kafka_sasl_mechanism": "PLAIN"}, "does not offer PLAIN"),
        ({"kafka_security_protocol": "SASL_PLAINTEXT"}, "ends those with SASL_PLAINTEXT"),
        ({"kafka_security_protocol": "SSL"}, "ends those with SSL"),
        ({"kafka_ca_file": None}, "has no certificate that WHALE_KAFKA_CA_FILE"),
        ({"kafka_ca_file": "/nowhere/ca.pem"}, "certificates for Kafka cannot be read"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
async def test_the_error_of_a_refused_client_says_what_is_wrong(
    broker: Broker, changes: dict[str, str | None], expected: str
) -> None:
    own = broker.security(ADMIN)
    await kafka.check(broker.address, security=own)
    with pytest.raises(StackError, match=expected):
        await kafka.check(broker.address, security=msgspec.structs.replace(own, **changes))


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1:1", "Kafka at 127.0.0.1:1 does not respond"),
        ("nowhere.invalid:9093", "There is no host nowhere.invalid"),
        ("nowhere", "write nowhere as host:port"),
    ],
)
async def test_the_error_of_a_wrong_address_names_it(address: str, expected: str) -> None:
    with pytest.raises(BrokerUnavailable, match=expected):
        await kafka.check(address)


def test_every_topic_has_a_writer_and_each_consumed_topic_a_service_that_reads_it() -> None:
    services = [one for one in ACCESS if one.principal in SERVICES]
    assert {topic for one in ACCESS for topic in one.writes} == set(EVERY_TOPIC)
    assert {topic for one in services for topic in one.reads} == {
        *(topic.name for topic in topics.CONSUMED),
        *EARNING_DEAD_LETTERS.topics,
    }


# -- the whole system as an operator sets it up; last, since it changes every password of these servers


async def test_provisioned_services_work_over_tls_with_their_settings_files_alone(
    secured: Stack, broker: Broker, certificate: Certificate, tmp_path: Path
) -> None:
    async with contextlib.AsyncExitStack() as running:
        administrator = await running.enter_async_context(
            _settings_of_an_administrator(secured, broker, certificate, tmp_path)
        )
        for command in (("provision", "--no-redis-users", "--new-secrets"), ("migrate",)):
            outcome = await asyncio.to_thread(_run_tools, administrator, *command)
            assert outcome.returncode == 0, outcome.stderr
        await _check_that_operators_see_kafka(tmp_path)
        ports = config.free_ports(2)
        for name, port in zip(("earning", "anomaly"), ports, strict=True):
            await running.enter_async_context(_provisioned(tmp_path, name, port))
        await eventually(lambda: is_ready(ports[0]), within_seconds=90)
        await eventually(lambda: is_ready(ports[1]), within_seconds=90)
        store_id = await _create_store(tmp_path)
        shop = _kafka_security(tmp_path, "shop")
        async with producing(broker.address, security=shop) as producer:
            order = msgspec.json.encode({"store_id": store_id, **ORDER})
            await producer.send_and_wait(topics.ORDER_COMPLETED, order, key=b"k")
        async with (
            asyncio.timeout(60),
            kafka.open_consumer(
                broker.address, topics.POINTS_EARNED, security=_kafka_security(tmp_path, "reader")
            ) as reader,
        ):
            # Other tests forge records that are no JSON.
            while store_id.encode() not in (await reader.getone()).value:
                pass


@contextlib.asynccontextmanager
async def _settings_of_an_administrator(
    stack: Stack, broker: Broker, certificate: Certificate, home: Path
) -> AsyncIterator[dict[str, str]]:
    """The environment of `provision`: every server over TLS, secrets in files."""
    security = await broker.create_administrator()
    async with (
        tls_in_front_of(stack.settings.postgres_port, certificate, postgres=True) as postgres,
        tls_in_front_of(stack.settings.redis_port, certificate) as redis,
    ):
        addresses = stack.addresses
        postgres_url = addresses.postgres_admin.replace(
            f":{stack.settings.postgres_port}/", f":{postgres}/"
        )
        redis_url = addresses.redis.replace("redis://", "rediss://").replace(
            f":{stack.settings.redis_port}/", f":{redis}/"
        )
        secret_files = {
            "WHALE_POSTGRES_URL": f"{postgres_url}?sslmode=verify-full&sslrootcert={certificate.ca}",
            "WHALE_REDIS_URL": f"{redis_url}?ssl_ca_certs={certificate.ca}",
            "WHALE_KAFKA_SASL_PASSWORD": security.kafka_sasl_password,
        }
        for name, value in secret_files.items():
            (home / name).write_text(f"{value}\n")
        yield {
            "WHALE_HOME": str(home),
            "WHALE_KAFKA_URL": broker.address,
            "WHALE_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "WHALE_KAFKA_SASL_USERNAME": str(security.kafka_sasl_username),
            "WHALE_KAFKA_CA_FILE": str(certificate.ca),
            **{f"{name}_FILE": str(home / name) for name in secret_files},
        }


async def _check_that_operators_see_kafka(home: Path) -> None:
    """Their commands read the record of `provision`, whose administrator has no right on any topic."""
    status = await asyncio.to_thread(_run_tools, {"WHALE_HOME": str(home)}, "status")
    assert "\nkafka       running " in status.stdout
    assert all(f"\n{group.name:<22}" in status.stdout for group in GROUPS)


def _run_tools(settings: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tools", *words],
        cwd=ROOT,
        env=_without_settings() | settings,
        capture_output=True,
        text=True,
        check=False,
    )


@contextlib.asynccontextmanager
async def _provisioned(home: Path, service: str, port: int) -> AsyncIterator[None]:
    """A process of a service that gets nothing but its settings file and a port."""
    settings = {
        "WHALE_ENV_FILE": str(home / "settings" / service / "settings.env"),
        "WHALE_HTTP_PORT": str(port),
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"services.{service}"),
        cwd=ROOT,
        env=_without_settings() | settings,
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        await alone.end(process)


def _without_settings() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("WHALE_")}


def _kafka_security(home: Path, client: str) -> KafkaSecurity:
    path = home / "settings" / client / "settings.env"
    return load(KafkaSecurity, {"WHALE_ENV_FILE": str(path)})


async def _create_store(home: Path) -> str:
    """A store with a program of ten points a dollar."""
    path = home / "settings" / "earning" / "settings.env"
    url = load(MigrateSettings, {"WHALE_ENV_FILE": str(path)}).database_url
    return await alone.new_store_at(url)
