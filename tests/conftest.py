"""The real servers that tests run against: one stack of its own per session, on free ports."""

import itertools
import os
import secrets
import shutil
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import pytest
from xdist.remote import Producer

from libs.testing.eventually import eventually
from tests import forking, schedule, secrecy
from tests.servers import choice
from tests.support import Shop, Stack, open_shop
from tools.stack import config, services

if TYPE_CHECKING:
    from tests.servers.containers import ServerContainers


# -- where the servers come from

_CHOICE = pytest.StashKey[choice.Choice]()


def pytest_sessionstart(session: pytest.Session) -> None:
    """Choose before the first test. The processes of pytest-xdist receive what the first one chose."""
    options = session.config
    is_first = not hasattr(options, "workerinput")
    if is_first and choice.may_need_servers(options.args, options.rootpath):
        try:
            options.stash[_CHOICE] = choice.choose()
        except choice.ChoiceError as error:
            raise pytest.UsageError(str(error)) from error


def pytest_report_header(config: pytest.Config) -> str | None:
    selected = config.stash.get(_CHOICE, None)
    return None if selected is None else str(selected)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: schedule.position(item.nodeid.partition("::")[0]))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> schedule.ByServers | None:
    return schedule.ByServers(config, log) if config.getoption("dist") == "loadfile" else None


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the containers that an interrupted run left."""
    selected = config.stash.get(_CHOICE, None)
    if selected is not None and selected.in_containers:
        from tests.servers import engine  # noqa: PLC0415  large, and not needed without containers

        engine.end_run()


@contextmanager
def running_containers() -> "Iterator[ServerContainers]":
    """Kafka, PostgreSQL and Redis in containers, until the context ends."""
    from tests.servers.containers import running_servers  # noqa: PLC0415  as above

    with running_servers() as containers:
        yield containers


def runs_locally(request: pytest.FixtureRequest) -> bool:
    """Whether the tests of the requesting file run on the local stack."""
    return choice.runs_locally(request.path.relative_to(request.config.rootpath))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test that prints a secret, without printing it again. A test that failed keeps its
    traceback, whose values may be secrets of its stack."""
    report = yield
    if names := secrecy.find_in_text("\n".join(content for _, content in report.sections)):
        message = f"The output of {report.nodeid} contains secrets: {', '.join(names)}"
        report.sections[:] = [("Secrets", message)]
        if report.passed:
            report.outcome = "failed"
            report.longrepr = message
    return report


# -- stacks


@pytest.fixture(scope="module")
def stack(request: pytest.FixtureRequest) -> Iterator[Stack]:
    """The whole stack, brought up as a user does, next to anything else that runs. Its logs are searched
    after each file, since it keeps the end of each log alone."""
    name = "local_stack" if runs_locally(request) else "container_stack"
    running: Stack = request.getfixturevalue(name)
    yield running
    assert secrecy.find_in_logs(running.home / "logs") == []


@pytest.fixture(scope="session")
def local_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack that runs its own servers."""
    with running_stack(tmp_path_factory) as running:
        yield running


@pytest.fixture(scope="session")
def container_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack on servers in containers."""
    with (
        running_containers() as containers,
        running_stack(tmp_path_factory, containers) as running,
    ):
        yield running


@contextmanager
def running_stack(
    tmp_path_factory: pytest.TempPathFactory,
    containers: "ServerContainers | None" = None,
    **settings: str,
) -> Iterator[Stack]:
    """A stack in a folder of its own, until the context ends."""
    # PostgreSQL runs as another user where we are root, so the folder must be open to others.
    home = Path("/tmp" if os.geteuid() == 0 else tmp_path_factory.getbasetemp())
    home /= f"whale-test-{secrets.token_hex(4)}"
    running = Stack(home, containers=containers, **settings)
    try:
        running.up()
        yield running
        running.down()
        assert secrecy.find_in_logs(home / "logs") == []
    finally:
        running.down()
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
async def shop(stack: Stack) -> AsyncIterator[Shop]:
    """A store of the test's own, with a key that may do everything, on the running stack."""
    async with open_shop(stack) as opened:
        yield opened


@pytest.fixture
async def second_earning(stack: Stack) -> AsyncIterator[None]:
    """Another process of earning in addition to the stack's own, sharing the partitions with it."""
    secrets_ = config.stack_secrets(stack.home)
    port = config.free_port()
    settings = services.environment("earning", stack.addresses, secrets_)
    settings |= {"WHALE_HTTP_PORT": str(port), "WHALE_METRICS_PORT": "0"}
    process = forking.start("services.earning", environment=stack.environment | settings)
    try:
        await eventually(lambda: is_ready(port))
        yield
    finally:
        process.terminate()
        await process.wait()


async def is_ready(port: int) -> bool:
    try:
        url = f"http://127.0.0.1:{port}/health/ready"
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False


_numbers = itertools.count(1)


@pytest.fixture
def unique() -> str:
    """A word that no other test has."""
    return f"{secrets.token_hex(4)}{next(_numbers)}"
