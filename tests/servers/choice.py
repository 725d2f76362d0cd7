"""Where the tests' Kafka, PostgreSQL and Redis come from: containers or the local stack.

`WHALE_TEST_STACK` is `containers`, `local` or `auto`. By default, `auto`, they are containers where an
engine responds and has the images of docker-compose.yml, or can pull them within 20 seconds.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct

VARIABLE: Final = "WHALE_TEST_STACK"
_PULL_SECONDS: Final = 20.0
# Where containers are required: on a slow line, the images take minutes.
_PATIENT_PULL_SECONDS: Final = 900.0
_WITHOUT_SERVERS: Final = ("tests/unit", "tests/architecture", "tests/deploy")

# The tests that run on the local stack even where the servers are containers, and why. A path is a
# test file or a folder.
LOCAL_ONLY: Final[Mapping[str, str]] = {
    "tests/bench": "the measured limits are those of the local stack",
    "tests/chaos/test_recovery.py": "the supervisor restarts frozen servers; one disk is filled",
    "tests/chaos/test_restore.py": "the data folder of PostgreSQL; in containers: tests/containers",
    "tests/chaos/test_stack_commands.py": "`make up` and `make restart` repair servers",
    "tests/integration/test_least_privilege.py": "users, process list and files of local servers",
    "tests/integration/test_local_stack.py": "the local stack itself: its errors and its status",
    "tests/integration/test_provision.py": "servers whose passwords another stack changes",
    "tests/integration/test_secured_servers.py": "a broker with TLS, access lists and passwords",
    "tests/integration/test_tls.py": "TLS in front of the local servers",
}


class Choice(Struct, frozen=True):
    """What the servers are, and why."""

    in_containers: bool
    reason: str

    def __str__(self) -> str:
        where = "containers" if self.in_containers else "the local stack"
        return f"servers: {where}, since {self.reason}"


class ChoiceError(Exception):
    """The setting is invalid, or requires containers that cannot be provided."""


def choose() -> Choice:
    """Choose, and keep the choice for this process and for those that it starts; raises ChoiceError."""
    mode = os.environ.get(VARIABLE, "auto")
    if mode not in {"auto", "containers", "local"}:
        raise ChoiceError(f"{VARIABLE} is {mode!r}: set it to auto, containers or local.")
    choice = Choice(False, f"{VARIABLE} is local") if mode == "local" else _try_containers(mode)
    os.environ[VARIABLE] = "containers" if choice.in_containers else "local"
    return choice


def _try_containers(mode: str) -> Choice:
    from tests.servers import engine  # noqa: PLC0415  large, and needed only here

    try:
        engine.check_responds()
        from tests.servers.containers import images  # noqa: PLC0415  as above

        engine.provide_images(
            images(), within_seconds=_PULL_SECONDS if mode == "auto" else _PATIENT_PULL_SECONDS
        )
        engine.remove_ended()
    except engine.EngineError as error:
        if mode == "containers":
            raise ChoiceError(
                f"{VARIABLE} is containers, but {error}: repair that, or set it to local."
            ) from error
        return Choice(False, f"{error}")
    engine.start_run()
    if mode == "containers":
        return Choice(True, f"{VARIABLE} is containers")
    return Choice(True, f"a Docker engine responds and has {', '.join(images())}")


def uses_containers() -> bool:
    """Whether the servers of most tests are containers, in a process that chose or was started by one
    that did."""
    return os.environ.get(VARIABLE) == "containers"


def runs_locally(path: Path) -> bool:
    """Whether the tests of this file, a path in the project's folder, run on the local stack only."""
    return not uses_containers() or any(path.is_relative_to(one) for one in LOCAL_ONLY)


def may_need_servers(arguments: list[str], root: Path) -> bool:
    """Whether tests may need servers that were selected by these arguments of pytest."""
    paths = [Path(argument.partition("::")[0]).absolute() for argument in arguments]
    return not all(
        any(path.is_relative_to(root / folder) for folder in _WITHOUT_SERVERS) for path in paths
    )
