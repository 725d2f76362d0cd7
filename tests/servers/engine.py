"""The Docker engine: whether it responds, what images it has, and the containers of each test run."""

import gc
import os
import socket
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

import psutil
from docker.errors import APIError, DockerException, ImageNotFound
from testcontainers.core.config import testcontainers_config
from testcontainers.core.docker_client import DockerClient

from tools.stack.config import LOOPBACK

# A local engine responds far sooner, and without one the tests start within a second.
_RESPONSE_SECONDS: Final = 0.9
# The test run that a container belongs to: `run_id`.
LABEL: Final = "whale-loyalty.test-run"
_RUN: Final = "WHALE_TEST_RUN"


class EngineError(Exception):
    """Why there can be no containers."""


@contextmanager
def connected(**options: Any) -> Iterator[Any]:
    """A client of the engine."""
    client = DockerClient(**options).client
    try:
        yield client
    finally:
        client.close()


def check_responds() -> None:
    """Raise EngineError where no engine responds within a second."""
    with warnings.catch_warnings():
        # The client leaves the socket open of a connection that is refused.
        warnings.simplefilter("ignore", ResourceWarning)
        responds = _responds()
        gc.collect()
    if not responds:
        raise EngineError("no Docker engine responds")


def _responds() -> bool:
    try:
        with connected(timeout=_RESPONSE_SECONDS) as client:
            return bool(client.ping())
    except (DockerException, OSError):
        return False


def host() -> str:
    """The address at which the published ports of containers are reached."""
    client = DockerClient()
    try:
        # By its address: a name may resolve to IPv6 first, where nothing is published.
        return client.host().replace("localhost", LOOPBACK)
    finally:
        client.client.close()


# -- images


def provide_images(images: Sequence[str], *, within_seconds: float) -> None:
    """Pull the images that the engine lacks. Raises EngineError where one is still missing after that
    time; its pull continues during the tests, so that a later run may find it."""
    with connected() as client:
        missing = _missing(client, images)
        if missing:
            _pull_all([*missing, testcontainers_config.ryuk_image], len(missing), within_seconds)
            missing = _missing(client, missing)
        if missing:
            raise EngineError(
                f"{', '.join(missing)} cannot be pulled within {within_seconds:.0f} s"
            )
        if _missing(client, [testcontainers_config.ryuk_image]):
            # The reaper removes the containers of a run that was killed; without it, the next run does.
            # Set in the environment too, for the processes that this one starts.
            testcontainers_config.ryuk_disabled = True
            os.environ["TESTCONTAINERS_RYUK_DISABLED"] = "true"


def _missing(client: Any, images: Sequence[str]) -> list[str]:
    return [image for image in images if not _has(client, image)]


def _has(client: Any, image: str) -> bool:
    try:
        client.images.get(image)
    except ImageNotFound:
        return False
    return True


def _pull_all(images: Sequence[str], needed: int, within_seconds: float) -> None:
    """Pull images concurrently; wait for the first `needed` of them, and no longer than that."""
    pulls = [threading.Thread(target=_pull, args=(image,), daemon=True) for image in images]
    until = time.monotonic() + within_seconds
    for pull in pulls:
        pull.start()
    for pull in pulls[:needed]:
        pull.join(max(0.0, until - time.monotonic()))


def _pull(image: str) -> None:
    with suppress(DockerException, OSError), connected(timeout=600) as client:
        client.images.pull(image)


# -- the containers of a run


def start_run() -> None:
    """Name this test run, for this process and for those that it starts."""
    started = psutil.Process().create_time()
    os.environ[_RUN] = f"{socket.gethostname()} {os.getpid()} {started:.0f}"


def remove_ended() -> None:
    """Remove the containers of runs on this machine whose first process has ended, by any signal."""
    with connected() as client:
        for container in client.containers.list(all=True, filters={"label": LABEL}):
            if _has_ended(container.labels[LABEL]):
                _remove(container)


def run_id() -> str:
    """The host of this test run, the id of its first process, and when that began."""
    return os.environ[_RUN]


def end_run() -> None:
    """Remove every container of this run that is still there."""
    with connected() as client:
        for container in client.containers.list(all=True, filters={"label": f"{LABEL}={run_id()}"}):
            _remove(container)


def _has_ended(run: str) -> bool:
    host_name, pid, started = run.split()
    if host_name != socket.gethostname():
        return False
    try:
        return f"{psutil.Process(int(pid)).create_time():.0f}" != started
    except psutil.NoSuchProcess:
        return True


def _remove(container: Any) -> None:
    """Another process may have removed it already."""
    with suppress(APIError):
        container.remove(force=True, v=True)
