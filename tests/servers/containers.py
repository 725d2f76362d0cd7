"""Kafka, PostgreSQL and Redis in containers: the images and settings of docker-compose.yml."""

import asyncio
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import yaml
from testcontainers.core.container import DockerContainer

from libs.testing.eventually import eventually
from tests.servers import engine
from tools.stack import config, kafka, postgres, redis
from tools.stack.config import LOOPBACK

# The port of each server in its container: of Kafka, the one for clients outside its network. Kafka is
# first, since its start takes longest.
_PORTS: Final = {"kafka": 19092, "postgres": 5432, "redis": 6379}
_REDIS_CONFIGURATION: Final = "/usr/local/etc/redis.conf"
# For the first start on a busy machine.
_READY_SECONDS: Final = 120.0


def images() -> list[str]:
    """The images of the servers."""
    definitions = _definitions()
    return [_image(definitions[name]) for name in _PORTS]


class ServerContainers:
    """The three servers. Their ports stay the same when a container is killed and started again."""

    def __init__(self) -> None:
        self._host = engine.host()
        ports = dict(zip(_PORTS, config.free_ports(len(_PORTS)), strict=True))
        password = secrets.token_urlsafe(32)
        kafka_url, postgres_url, redis_url = (
            f"{self._host}:{ports['kafka']}",
            f"postgresql://postgres:{password}@{self._host}:{ports['postgres']}/postgres",
            f"redis://:{password}@{self._host}:{ports['redis']}/0",
        )
        self._checks = (
            lambda: kafka.is_available(kafka_url),
            lambda: postgres.is_available(postgres_url),
            lambda: redis.is_available(redis_url),
        )
        self.settings = {
            "WHALE_KAFKA_URL": kafka_url,
            "WHALE_POSTGRES_URL": postgres_url,
            "WHALE_REDIS_URL": redis_url,
        }
        definitions = _definitions()
        self._containers = {
            "kafka": _kafka(definitions["kafka"], advertised=kafka_url),
            "postgres": _postgres(definitions["postgres"], password),
            "redis": _redis(definitions["redis"], password),
        }
        for name, container in self._containers.items():
            container.ports[f"{_PORTS[name]}/tcp"] = self._published(ports[name])

    def _published(self, port: int) -> Any:
        """Where the engine publishes a port: on loopback, unless it runs elsewhere."""
        return (LOOPBACK, port) if self._host == LOOPBACK else port

    def start(self) -> None:
        """Start the servers and wait until they respond."""
        for container in self._containers.values():
            container.start()
        try:
            asyncio.run(self._wait_until_available())
        except Exception as error:
            for name, container in self._containers.items():
                output = b"".join(container.get_logs()).decode(errors="replace")
                error.add_note(f"{name}: {output[-2_000:]}")
            raise

    async def _wait_until_available(self) -> None:
        await asyncio.gather(
            *(eventually(check, within_seconds=_READY_SECONDS, every=0.2) for check in self._checks)
        )

    def stop(self) -> None:
        """Remove the containers, with their data."""
        for container in self._containers.values():
            container.stop()

    def kill(self, name: str) -> None:
        """End a server as a crash would, and start it again."""
        container = self._containers[name].get_wrapped_container()
        container.kill()
        container.wait()
        container.start()

    def freeze(self, name: str) -> None:
        """Stop a server from running; its connections stay open."""
        self._containers[name].get_wrapped_container().pause()

    def resume(self, name: str) -> None:
        """Let a frozen server run again."""
        self._containers[name].get_wrapped_container().unpause()


@contextmanager
def running_servers() -> Iterator[ServerContainers]:
    """Servers of one's own, until the context ends."""
    servers = ServerContainers()
    try:
        servers.start()
        yield servers
    finally:
        servers.stop()


def _definitions() -> Any:
    return yaml.safe_load((config.ROOT / "docker-compose.yml").read_text())["services"]


def _image(definition: Any) -> str:
    """The image, which an environment variable may name, as for Compose: `${KAFKA_IMAGE:-…}`."""
    return re.sub(
        r"\$\{(\w+):-([^}]*)\}",
        lambda match: os.environ.get(match[1]) or match[2],
        definition["image"],
    )


def _container(definition: Any, **options: Any) -> DockerContainer:
    return DockerContainer(_image(definition), labels={engine.LABEL: engine.run_id()}, **options)


def _kafka(definition: Any, *, advertised: str) -> DockerContainer:
    listeners = f"PLAINTEXT://localhost:9092,HOST://{advertised}"
    environment = definition["environment"] | {"KAFKA_ADVERTISED_LISTENERS": listeners}
    return _container(definition).with_envs(**environment)


def _postgres(definition: Any, password: str) -> DockerContainer:
    container = _container(definition, shm_size=definition["shm_size"])
    return container.with_command(definition["command"]).with_env("POSTGRES_PASSWORD", password)


def _redis(definition: Any, password: str) -> DockerContainer:
    """With the rights that clients have on the local stack."""
    content = redis.configuration(
        host="*", port=_PORTS["redis"], folder=Path("/data"), password=password
    )
    return (
        _container(definition)
        .with_copy_into_container(content.encode(), _REDIS_CONFIGURATION)
        .with_command(["redis-server", _REDIS_CONFIGURATION])
    )
