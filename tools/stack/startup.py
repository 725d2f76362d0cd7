"""The start of the stack: the servers, then the services on them, then the demo store."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager

from libs.messaging import topics
from tools.stack import config, kafka, postgres, record, redis, seed, services
from tools.stack.children import Children
from tools.stack.config import SERVICES, WITH_DATABASE, Secrets, Settings
from tools.stack.health import Probe
from tools.stack.ports import check_free
from tools.stack.record import Record
from tools.stack.services import Addresses

# Names a step of the start for as long as it takes.
Step = Callable[[str], AbstractContextManager[None]]


class Startup:
    """Starts the parts of the stack that `settings` ask for, each as soon as it can start."""

    def __init__(
        self,
        settings: Settings,
        secrets: Secrets,
        addresses: Addresses,
        *,
        probe: Probe,
        children: Children,
        step: Step,
    ) -> None:
        self._settings = settings
        self._secrets = secrets
        self._addresses = addresses
        self._probe = probe
        self._children = children
        self._step = step

    async def run(self) -> None:
        """Start everything; returns when all of it is ready, raises StackError."""
        self._check_ports()
        record.write(self._settings.folder, Record(addresses=self._addresses, is_supervised=True))
        async with asyncio.TaskGroup() as group:
            group.create_task(self._start_redis())
            group.create_task(self._start_kafka())
            group.create_task(self._start_postgres())
        running = self._settings.running
        for service in running:
            self._children.launch(services.define_process(service, self._addresses, self._secrets))
        async with asyncio.TaskGroup() as group:
            for service in running:
                group.create_task(self._wait_until_ready(service))
        if "gateway" in running:
            with self._step("the demo store"):
                await seed.create_demo_store(self._addresses, self._secrets)

    def _check_ports(self) -> None:
        """Raise StackError, with the settings that move all of them, where ports are in use."""
        settings = self._settings
        needed = {"WHALE_GATEWAY_PORT": [settings.gateway_port]}
        if settings.kafka_url is None:
            needed["WHALE_KAFKA_PORT"] = [settings.kafka_port]
        if settings.postgres_url is None:
            needed["WHALE_POSTGRES_PORT"] = [settings.postgres_port]
        if settings.redis_url is None:
            needed["WHALE_REDIS_PORT"] = [settings.redis_port]
        if settings.running and settings.metrics_ports:
            needed["WHALE_METRICS_PORT"] = list(settings.metrics_ports.values())
        check_free(needed)

    async def _start_redis(self) -> None:
        if self._settings.redis_url is not None:
            await redis.check(self._addresses.redis)
            return
        data = services.data_folder(self._settings, "redis")
        port, password = self._settings.redis_port, self._secrets.redis_password
        self._children.launch(redis.define_process(data, port, password))
        await self._wait_until_ready("redis")

    async def _start_kafka(self) -> None:
        if self._settings.kafka_url is not None:
            addresses = self._addresses
            await kafka.check(addresses.kafka, security=addresses.kafka_security)
        else:
            await self._start_own_kafka()
        with self._step("topics"):
            await topics.create(self._addresses.kafka, security=self._addresses.kafka_security)

    async def _start_own_kafka(self) -> None:
        if not kafka.is_downloaded():
            with self._step("downloading Kafka, 43 MB, once"):
                await kafka.download()
        folder = services.data_folder(self._settings, "kafka")
        port = self._settings.kafka_port
        ports = {self._addresses.port_of(service) for service in SERVICES}
        service_ports = {*ports, *self._addresses.metrics.values()}
        controller = config.free_port(apart_from=self._settings.ports | service_ports)
        await kafka.prepare(folder, port=port, controller=controller)
        self._children.launch(
            kafka.define_process(folder, port, java_options=self._settings.kafka_java_options)
        )
        await self._wait_until_ready("kafka")

    async def _start_postgres(self) -> None:
        admin = self._addresses.postgres_admin
        if self._settings.postgres_url is None:
            await self._start_own_postgres()
        with self._step("migrations"):
            for service in WITH_DATABASE:
                await postgres.create_database(
                    admin, service, self._secrets.password_of, name=service
                )
            async for _ in services.migrate(WITH_DATABASE, self._addresses, self._secrets):
                pass

    async def _start_own_postgres(self) -> None:
        data = services.data_folder(self._settings, "postgres")
        with self._step("the database"):
            await postgres.prepare(data, self._secrets.superuser_password)
            if self._secrets.database_password is not None:
                await postgres.set_superuser_password(data, self._secrets.superuser_password)
                self._secrets = config.forget_database_password(self._settings.folder)
        self._children.launch(postgres.define_process(data, self._settings.postgres_port))
        await self._wait_until_ready("postgres")
        await postgres.revoke_public_access(self._addresses.postgres_admin)

    async def _wait_until_ready(self, name: str) -> None:
        with self._step(name):
            await self._children.wait_until_ready(name)
