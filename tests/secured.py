"""Servers as production secures them: a broker that asks who calls, and TLS in front of the others."""

import asyncio
import contextlib
import os
import ssl
import struct
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

from aiokafka.protocol.admin import CreateAclsRequest

from libs.contracts.access import ACCESS
from libs.kernel.kafka import KafkaSecurity
from libs.testing.eventually import eventually
from tools.stack import config, kafka, kafka_users

ADMIN: Final = "admin"

# Later lines win over those of the local stack's broker.
_PROPERTIES: Final = """
listeners=SASL_SSL://{host}:{port},CONTROLLER://{host}:{controller}
advertised.listeners=SASL_SSL://{host}:{port}
listener.security.protocol.map=SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT
inter.broker.listener.name=SASL_SSL
sasl.enabled.mechanisms=SCRAM-SHA-512
sasl.mechanism.inter.broker.protocol=SCRAM-SHA-512
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required \
username="{admin}" password="{password}";
ssl.keystore.type=PEM
ssl.keystore.location={pem}
ssl.truststore.type=PEM
ssl.truststore.location={ca}
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=false
super.users=User:{admin};User:ANONYMOUS
"""


class Certificate:
    """A certificate for 127.0.0.1 that vouches for itself, in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.ca = folder / "ca.pem"
        self._key = folder / "key.pem"
        self.key_and_certificate = folder / "server.pem"
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
                *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
                *("-keyout", self._key, "-out", self.ca),
            ],
            check=True,
            capture_output=True,
        )
        self.key_and_certificate.write_text(self._key.read_text() + self.ca.read_text())

    def server_side(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.key_and_certificate)
        return context


class Broker:
    """A broker on SASL_SSL with SCRAM that lets principals do what `ACCESS` lists."""

    def __init__(self, folder: Path, certificate: Certificate) -> None:
        self._folder = folder
        self._certificate = certificate
        self._port, self._controller = config.free_ports(2)
        self.address = f"{config.LOOPBACK}:{self._port}"

    def security(self, principal: str) -> KafkaSecurity:
        """How `principal` reaches it."""
        return KafkaSecurity(
            kafka_security_protocol="SASL_SSL",
            kafka_sasl_mechanism="SCRAM-SHA-512",
            kafka_sasl_username=principal,
            kafka_sasl_password=_password_of(principal),
            kafka_ca_file=str(self._certificate.ca),
        )

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        self._format()
        with (self._folder / "kafka.log").open("wb") as log:
            command = [
                *kafka._java_command(self._folder, "kafka.Kafka", "-Xmx256m", "-XX:+UseSerialGC")
            ]
            broker = subprocess.Popen([*command, self._properties], stdout=log, stderr=log, cwd="/")
        try:
            asyncio.run(
                eventually(
                    lambda: kafka.is_available(self.address, security=self.security(ADMIN)),
                    within_seconds=90,
                )
            )
            yield
        finally:
            broker.terminate()
            broker.wait()

    def _format(self) -> None:
        ports = {"port": self._port, "controller": self._controller}
        kafka._configure(self._folder, data=self._folder / "data", **ports)
        with self._properties.open("a") as properties:
            properties.write(
                _PROPERTIES.format(
                    host=config.LOOPBACK,
                    admin=ADMIN,
                    password=_password_of(ADMIN),
                    pem=self._certificate.key_and_certificate,
                    ca=self._certificate.ca,
                    **ports,
                )
            )
        subprocess.run(
            [
                *kafka._java_command(
                    self._folder, "kafka.tools.StorageTool", "-XX:TieredStopAtLevel=1"
                ),
                *("format", "--cluster-id=4L6g3nShT-eMCtK--X86sw", f"--config={self._properties}"),
                f"--add-scram=SCRAM-SHA-512=[name={ADMIN},password={_password_of(ADMIN)}]",
            ],
            check=True,
            capture_output=True,
        )

    @property
    def _properties(self) -> Path:
        return self._folder / "server.properties"

    async def let_in(self) -> None:
        """Create the principals' users and access lists."""
        passwords = {one.principal: _password_of(one.principal) for one in ACCESS}
        security = self.security(ADMIN)
        await kafka_users.create_users(self.address, passwords, security=security)
        await kafka_users.allow_access(self.address, security=security)

    async def create_administrator(self) -> KafkaSecurity:
        """The principal of `provision`, with the rights that docs/production.md gives it."""
        name, security = "provisioner", self.security(ADMIN)
        await kafka_users.create_users(self.address, {name: _password_of(name)}, security=security)
        cluster, literal, allow, operations = 4, 3, 3, {"create": 5, "alter": 7, "describe": 8}
        requests = [
            CreateAclsRequest(
                cluster, "kafka-cluster", literal, f"User:{name}", "*", operation, allow
            )
            for operation in operations.values()
        ]
        await kafka_users._send(self.address, requests, security)
        return self.security(name)


def _password_of(principal: str) -> str:
    return f"password of {principal}"


@contextlib.asynccontextmanager
async def tls_in_front_of(
    port: int, certificate: Certificate, *, postgres: bool = False
) -> AsyncIterator[int]:
    """A port that speaks TLS and passes on to `port`; to PostgreSQL, after its own opening."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, ssl.SSLError):
            if postgres:
                assert struct.unpack("!ii", await reader.readexactly(8)) == (8, 80_877_103)
                writer.write(b"S")
                await writer.drain()
                await writer.start_tls(certificate.server_side())
            behind, ahead = await asyncio.open_connection(config.LOOPBACK, port)
            await asyncio.gather(_pass_on(reader, ahead), _pass_on(behind, writer))

    server = await asyncio.start_server(
        serve, config.LOOPBACK, 0, ssl=None if postgres else certificate.server_side()
    )
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def _pass_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(65_536):
            sink.write(data)
            await sink.drain()
    finally:
        sink.close()


def open_folder(name: str) -> Path:
    """A folder that the servers' user can read, where that is another one."""
    base = "/tmp" if os.geteuid() == 0 else os.environ.get("TMPDIR", "/tmp")
    return Path(base) / name
