"""The supervisor: brings the stack up, keeps it up, takes it down. Runs in the background.

`python -m tools.stack.supervisor` takes its settings from the environment and writes what it does
to the state file, which `make up` and `make status` read. SIGUSR1 has it start at once what waits
for its next start.
"""

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Final

from libs.messaging import topics
from tools.stack import config, kafka, postgres, redis, seed, services, state
from tools.stack.child import Care, Child
from tools.stack.config import LOOPBACK, SERVICES, Settings
from tools.stack.errors import StackError, explain
from tools.stack.health import SERVERS, Probe
from tools.stack.process import Program
from tools.stack.state import ProcessState, State
from tools.stack.upkeep import TOPICS_SECONDS, bound_logs, keep_topics, regularly

_PATIENCE_SECONDS: Final = 120.0
_LOOK_SECONDS: Final = 0.05
_HOUSEKEEPING_SECONDS: Final = 1.0
_NAMED_SECONDS: Final = 5.0


class Supervisor:
    """One run of the stack."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._folder = settings.folder
        self._logs = self._folder / "logs"
        self._secrets = config.stack_secrets(self._folder)
        self._where = services.addresses(settings, self._secrets)
        self._probe = Probe(self._where, self._secrets.internal_token)
        self._children: dict[str, Child] = {}
        self._away: set[str] = set()
        self._upkeep: list[asyncio.Task[None]] = []
        self._is_published = False
        self._doing: list[str] = []
        self._phase = "starting"
        self._error: str | None = None

    async def run(self, stop: asyncio.Event) -> int:
        """Bring the stack up and keep it up until `stop`; returns the exit code."""
        self._logs.mkdir(parents=True, exist_ok=True)
        self._publish()
        async with self._probe:
            failure = await self._start_until(stop)
            if failure is None and not stop.is_set():
                self._become("ready")
                self._keep(TOPICS_SECONDS, partial(keep_topics, self._probe))
                self._keep(_NAMED_SECONDS, self._look_at_named_servers)
                await stop.wait()
            self._error = None if failure is None else explain(failure)
            self._become("stopping")
            await self._stop()
        self._become("stopped" if failure is None else "failed")
        return 0 if failure is None else 1

    def start_waiting(self) -> None:
        """Start at once what waits for its next start."""
        for child in self._children.values():
            child.start_now()

    async def _start_until(self, stop: asyncio.Event) -> BaseException | None:
        """Bring the stack up, or as far as it is when `stop` comes; returns why it failed."""
        self._keep(_HOUSEKEEPING_SECONDS, self._keep_house)
        starting = asyncio.create_task(self._start())
        waiting = asyncio.create_task(stop.wait())
        await asyncio.wait({starting, waiting}, return_when=asyncio.FIRST_COMPLETED)
        starting.cancel()
        waiting.cancel()
        return await _failure_of(starting)

    def _keep(self, every_seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        self._upkeep.append(asyncio.create_task(regularly(every_seconds, work)))

    async def _keep_house(self) -> None:
        if not self._is_published:
            self._publish()
        bound_logs(self._logs)

    # -- up

    async def _start(self) -> None:
        self._check_ports()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._start_redis())
            group.create_task(self._start_kafka())
            group.create_task(self._start_postgres())
        running = self._settings.running
        for service in running:
            await self._launch(services.program(service, self._where, self._secrets))
        async with asyncio.TaskGroup() as group:
            for service in running:
                group.create_task(self._await(service))
        if "gateway" in running:
            async with self._step("the demo store"):
                await seed.demo_store(self._where, self._secrets)

    def _check_ports(self) -> None:
        wanted = self._settings
        config.check_free(wanted.gateway_port, name="the gateway", variable="WHALE_GATEWAY_PORT")
        if wanted.kafka_url is None:
            config.check_free(wanted.kafka_port, name="Kafka", variable="WHALE_KAFKA_PORT")
        if wanted.postgres_url is None:
            config.check_free(
                wanted.postgres_port, name="PostgreSQL", variable="WHALE_POSTGRES_PORT"
            )
        if wanted.redis_url is None:
            config.check_free(wanted.redis_port, name="Redis", variable="WHALE_REDIS_PORT")

    async def _start_redis(self) -> None:
        if self._settings.redis_url is not None:
            return await self._expect_named("redis", "Redis", "WHALE_REDIS_URL")
        data = services.data_folder(self._settings, "redis")
        port, password = self._settings.redis_port, self._secrets.redis_password
        await self._launch(redis.program(data, port, password))
        await self._await("redis")
        return None

    async def _start_kafka(self) -> None:
        bootstrap = self._where.kafka
        if self._settings.kafka_url is not None:
            await self._expect_named("kafka", "Kafka", "WHALE_KAFKA_URL")
        else:
            if not kafka.is_downloaded():
                async with self._step("downloading Kafka, 43 MB, once"):
                    await kafka.download()
            folder = services.data_folder(self._settings, "kafka")
            port = self._settings.kafka_port
            others = {*self._where.http.values(), *self._where.metrics.values()}
            controller = config.free_port(apart_from=self._settings.ports | others)
            await kafka.prepare(folder, port=port, controller=controller)
            await self._launch(
                kafka.program(folder, port, java_options=self._settings.kafka_java_options)
            )
            await self._await("kafka")
        async with self._step("topics"):
            await topics.create(bootstrap, security=self._where.kafka_security)

    async def _start_postgres(self) -> None:
        admin = self._where.postgres_admin
        if self._settings.postgres_url is not None:
            await self._expect_named("postgres", "PostgreSQL", "WHALE_POSTGRES_URL")
        else:
            data = services.data_folder(self._settings, "postgres")
            async with self._step("the database"):
                await postgres.prepare(data, self._secrets.superuser_password)
                if self._secrets.database_password is not None:
                    await postgres.set_superuser_password(data, self._secrets.superuser_password)
                    self._secrets = config.forget_database_password(self._folder)
            await self._launch(postgres.program(data, self._settings.postgres_port))
            await self._await("postgres")
            await postgres.close_own_databases(admin)
        async with self._step("migrations"):
            for service in SERVICES:
                await postgres.create_database(
                    admin, service, self._secrets.password_of, name=service
                )
            await asyncio.gather(*(self._migrate(service) for service in SERVICES))

    async def _migrate(self, service: str) -> None:
        process = await asyncio.create_subprocess_exec(
            *services.migrate_command(service),
            cwd=config.ROOT,
            env={
                **os.environ,
                **services.migrate_environment(service, self._where, self._secrets),
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        if process.returncode:
            last = said.decode(errors="replace").strip().splitlines()[-1:]
            raise StackError(f"The database of {service} could not be migrated: {last}")

    # -- waiting

    async def _launch(self, program: Program) -> None:
        care = Care(
            ask=partial(self._probe.health, program.name),
            can_be_ready=_always if program.name in SERVERS else self._servers_are_ready,
            silent_seconds=self._settings.restart_after_seconds,
        )
        child = Child(program, self._logs, self._publish, care)
        self._children[program.name] = child
        child.start()

    def _servers_are_ready(self) -> bool:
        servers = [child for name, child in self._children.items() if name in SERVERS]
        return not self._away and all(child.state == "running" for child in servers)

    async def _look_at_named_servers(self) -> None:
        """Those that the settings name are nobody's children: they are only looked at."""
        named = [name for name in SERVERS if name not in self._children]
        found = await asyncio.gather(*(self._probe.health(name) for name in named))
        self._away = {
            name for name, health in zip(named, found, strict=True) if not health.responds
        }

    async def _await(self, name: str) -> None:
        """Wait until the child is ready; raises StackError where it fails first, or takes too long."""
        child = self._children[name]
        async with self._step(name):
            until = time.monotonic() + _PATIENCE_SECONDS
            while child.state != "running":
                if child.failures:
                    raise StackError(f"{name} does not start: {child.why}. {child.last_words()}")
                if time.monotonic() > until:
                    raise StackError(
                        f"{name} is not ready after {_PATIENCE_SECONDS:.0f} s: {child.why}. "
                        "See `make logs`."
                    )
                await asyncio.sleep(_LOOK_SECONDS)

    async def _expect_named(self, server: str, name: str, variable: str) -> None:
        if not (await self._probe.health(server)).responds:
            raise StackError(f"{name} does not respond at the address that {variable} names.")

    # -- down

    async def _stop(self) -> None:
        for task in self._upkeep:
            task.cancel()
        for group in (("gateway",), SERVICES, ("kafka", "redis", "postgres")):
            await asyncio.gather(
                *(
                    child.stop()
                    for name, child in self._children.items()
                    if name in group and child.state != "stopped"
                )
            )

    # -- publishing

    @contextlib.asynccontextmanager
    async def _step(self, what: str) -> AsyncIterator[None]:
        self._doing.append(what)
        self._publish()
        try:
            yield
        finally:
            self._doing.remove(what)
            self._publish()

    def _become(self, phase: str) -> None:
        self._phase = phase
        self._publish()

    def _publish(self) -> None:
        """Write the state. Where that fails, as on a full disk, it is tried again every second:
        nothing may end because it could not be published."""
        try:
            state.write(self._folder, self._state())
        except OSError:
            self._is_published = False
        else:
            self._is_published = True

    def _state(self) -> State:
        return State(
            phase=self._phase,
            pid=os.getpid(),
            gateway=f"http://{LOOPBACK}:{self._settings.gateway_port}",
            settings=self._settings,
            doing=self._doing,
            error=self._error,
            processes=[
                ProcessState(
                    name,
                    child.state,
                    child.pid,
                    child.program.address,
                    child.why,
                    child.retry_at,
                    child.program.stop_signal,
                )
                for name, child in self._children.items()
            ],
        )


def _always() -> bool:
    return True


async def _failure_of(task: "asyncio.Task[None]") -> BaseException | None:
    """Why the start failed; of several reasons the first. None where it did not, or was cancelled."""
    try:
        await task
    except asyncio.CancelledError:
        return None
    except BaseExceptionGroup as group:
        failure: BaseException = group
        while isinstance(failure, BaseExceptionGroup):
            failure = failure.exceptions[0]
        return failure
    except Exception as error:  # noqa: BLE001  whatever it is, it is told and everything stops
        return error
    return None


async def _main(settings: Settings) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    supervisor = Supervisor(settings)
    loop.add_signal_handler(signal.SIGUSR1, supervisor.start_waiting)
    return await supervisor.run(stop)


def main() -> int:
    """Run the supervisor of the stack that the environment describes."""
    settings = config.settings()
    held = state.lock(settings.folder)
    if held is None:
        return 0
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    # It logs each attempt to connect to a broker that is still starting; we log what comes of it.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        return asyncio.run(_main(settings))
    except Exception as error:  # noqa: BLE001  whoever waits for the start reads why, whatever it is
        with contextlib.suppress(OSError):
            state.write(
                settings.folder,
                State(phase="failed", pid=os.getpid(), gateway="", error=explain(error)),
            )
        return 1
    finally:
        held.close()


if __name__ == "__main__":
    sys.exit(main())
