"""The supervisor: brings the stack up, keeps it up, takes it down. Runs in the background.

`python -m tools.stack.supervisor` takes its settings from the environment and tells what it does
in the state file, which `make up` and `make status` read.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

import aiohttp

from libs.messaging import topics
from tools.stack import config, kafka, postgres, redis, seed, services, state
from tools.stack.config import LOOPBACK, SERVICES, Settings
from tools.stack.errors import StackError, explain
from tools.stack.process import Child, Program
from tools.stack.state import ProcessState, State

_PATIENCE_SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 0.05


class Supervisor:
    """One run of the stack."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._folder = settings.folder
        self._logs = self._folder / "logs"
        self._secrets = config.stack_secrets(self._folder)
        self._where = services.addresses(settings, self._secrets)
        self._children: dict[str, Child] = {}
        self._doing: list[str] = []
        self._phase = "starting"
        self._error: str | None = None

    async def run(self, stop: asyncio.Event) -> int:
        """Bring the stack up and keep it up until `stop`; answers the exit code."""
        self._logs.mkdir(parents=True, exist_ok=True)
        self._tell()
        starting = asyncio.create_task(self._start())
        waiting = asyncio.create_task(stop.wait())
        await asyncio.wait({starting, waiting}, return_when=asyncio.FIRST_COMPLETED)
        starting.cancel()
        failure = await _failure_of(starting)
        if failure is None and not stop.is_set():
            self._become("ready")
            await waiting
        waiting.cancel()
        self._error = None if failure is None else explain(failure)
        self._become("stopping")
        await self._stop()
        self._become("stopped" if failure is None else "failed")
        return 0 if failure is None else 1

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
                group.create_task(self._await_service(service))
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
        url = self._where.redis
        if self._settings.redis_url is not None:
            return await self._expect_named("Redis", "WHALE_REDIS_URL", lambda: redis.answers(url))
        data = services.data_folder(self._settings, "redis")
        port, password = self._settings.redis_port, self._secrets.redis_password
        await self._launch(redis.program(data, port, password))
        await self._await("redis", lambda: redis.answers(url))
        return None

    async def _start_kafka(self) -> None:
        bootstrap = self._where.kafka
        if self._settings.kafka_url is not None:
            await self._expect_named(
                "Kafka",
                "WHALE_KAFKA_URL",
                lambda: kafka.answers(bootstrap, security=self._where.kafka_security),
            )
        else:
            if not kafka.is_downloaded():
                async with self._step("downloading Kafka, 43 MB, once"):
                    await kafka.download()
            folder = services.data_folder(self._settings, "kafka")
            port = self._settings.kafka_port
            others = {*self._where.http.values(), *self._where.metrics.values()}
            controller = config.free_port(apart_from=self._settings.ports | others)
            await kafka.prepare(folder, port=port, controller=controller)
            await self._launch(kafka.program(folder, port))
            await self._await("kafka", lambda: kafka.answers(bootstrap))
        async with self._step("topics"):
            await topics.create(bootstrap, security=self._where.kafka_security)

    async def _start_postgres(self) -> None:
        admin = self._where.postgres_admin
        if self._settings.postgres_url is not None:
            await self._expect_named(
                "PostgreSQL", "WHALE_POSTGRES_URL", lambda: postgres.answers(admin)
            )
        else:
            data = services.data_folder(self._settings, "postgres")
            async with self._step("the database"):
                await postgres.prepare(data, self._secrets.superuser_password)
                if self._secrets.database_password is not None:
                    await postgres.set_superuser_password(data, self._secrets.superuser_password)
                    self._secrets = config.forget_database_password(self._folder)
            await self._launch(postgres.program(data, self._settings.postgres_port))
            await self._await("postgres", lambda: postgres.answers(admin))
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
        child = Child(program, self._logs, self._tell)
        self._children[program.name] = child
        await child.start()

    async def _await(self, name: str, answers: Callable[[], Awaitable[bool]]) -> None:
        """Wait until the child answers; raises StackError where it dies first, or takes too long."""
        child = self._children[name]
        async with self._step(name):
            until = time.monotonic() + _PATIENCE_SECONDS
            while not await answers():
                if child.state.startswith("died"):
                    raise StackError(f"{name} does not start: {child.last_words()}")
                if time.monotonic() > until:
                    raise StackError(
                        f"{name} does not answer after {_PATIENCE_SECONDS:.0f} s. See `make logs`."
                    )
                await asyncio.sleep(_LOOK_SECONDS)
        child.is_running()

    async def _await_service(self, name: str) -> None:
        url = f"http://{LOOPBACK}:{self._where.http[name]}/health/ready"
        await self._await(name, lambda: _is_ok(url))

    async def _expect_named(
        self, name: str, variable: str, answers: Callable[[], Awaitable[bool]]
    ) -> None:
        if not await answers():
            raise StackError(f"{name} does not answer at the address that {variable} names.")

    # -- down

    async def _stop(self) -> None:
        for group in (("gateway",), SERVICES, ("kafka", "redis", "postgres")):
            await asyncio.gather(
                *(
                    child.stop()
                    for name, child in self._children.items()
                    if name in group and child.state != "stopped"
                )
            )

    # -- telling

    @contextlib.asynccontextmanager
    async def _step(self, what: str) -> AsyncIterator[None]:
        self._doing.append(what)
        self._tell()
        try:
            yield
        finally:
            self._doing.remove(what)
            self._tell()

    def _become(self, phase: str) -> None:
        self._phase = phase
        self._tell()

    def _tell(self) -> None:
        state.write(
            self._folder,
            State(
                phase=self._phase,
                pid=os.getpid(),
                gateway=f"http://{LOOPBACK}:{self._settings.gateway_port}",
                doing=self._doing,
                error=self._error,
                processes=[
                    ProcessState(name, child.state, child.pid, child.program.address)
                    for name, child in self._children.items()
                ],
            ),
        )


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


async def _is_ok(url: str) -> bool:
    try:
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return answer.status == 200
    except (aiohttp.ClientError, OSError):
        return False


async def _main(settings: Settings) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    return await Supervisor(settings).run(stop)


def main() -> int:
    """Run the supervisor of the stack that the environment describes."""
    settings = config.settings()
    held = state.lock(settings.folder)
    if held is None:
        return 0
    try:
        return asyncio.run(_main(settings))
    except Exception as error:  # noqa: BLE001  the one who waits is told, whatever it is
        state.write(
            settings.folder,
            State(phase="failed", pid=os.getpid(), gateway="", error=explain(error)),
        )
        return 1
    finally:
        held.close()


if __name__ == "__main__":
    sys.exit(main())
