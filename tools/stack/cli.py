"""The stack's commands: `up`, `down`, `reset`, `status`, `restart`, `logs`, `key`, `keys`,
`key-revoke`."""

import argparse
import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import psutil
from aiokafka.errors import KafkaError
from rich.console import Console

from tools.stack import config, control, lag, record, report, seed, state
from tools.stack import logs as stack_logs
from tools.stack.config import DEMO_KEY, ROOT, Settings
from tools.stack.errors import StackError, explain
from tools.stack.health import RESPONSE_SECONDS, Probe
from tools.stack.report import Line
from tools.stack.state import State

_POLL_SECONDS: Final = 0.1
_DOWN_SECONDS: Final = 60.0
_ORPHANS_SECONDS: Final = 10.0
# The supervisor publishes its first state after its imports, which take long on a busy machine.
_FIRST_STATE_SECONDS: Final = 60.0


def register(commands: Any) -> None:
    """Add the commands of the local stack."""
    for name, run, description in (
        ("up", up, "start the local stack and wait until it is ready"),
        ("down", down, "stop the local stack; its data stays"),
        ("reset", reset, "stop the local stack and delete its data"),
        ("status", status, "each process: its state, pid, address; each consumer: its lag"),
    ):
        commands.add_parser(name, help=description).set_defaults(run=run)
    logging = commands.add_parser("logs", help="the last lines of every log")
    logging.add_argument("--request", help="only the lines of the request with this id")
    logging.set_defaults(run=logs)
    restarting = commands.add_parser("restart", help="restart the services, or one process")
    restarting.add_argument("service", nargs="?", help="a service, or postgres, redis or kafka")
    restarting.set_defaults(run=restart)
    key = commands.add_parser("key", help="create an API key")
    key.add_argument("--store", required=True)
    key.add_argument("--scopes")
    key.add_argument("--name")
    key.set_defaults(run=create_key)
    keys = commands.add_parser("keys", help="the API keys of a store, and when each was last used")
    keys.add_argument("--store", required=True)
    keys.set_defaults(run=list_keys)
    revoke = commands.add_parser("key-revoke", help="revoke an API key")
    revoke.add_argument("--key", required=True, help="its first 12 characters or more")
    revoke.set_defaults(run=revoke_key)


def up(_arguments: argparse.Namespace) -> int:
    """Start the stack and wait until it is ready; in a running stack, repair what is not ready."""
    settings = config.settings()
    folder = settings.folder
    console = Console(highlight=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StackError(
            f"{folder} cannot be created: {error.strerror}. Set WHALE_HOME to another folder."
        ) from error
    stack = state.read(folder)
    if stack is not None and state.is_running(folder):
        _resume(stack.pid, console)
        if stack.phase == "ready":
            if not asyncio.run(control.repair(stack, console)):
                console.print(f"The stack is up at {stack.gateway} · make status · make down")
            return 0
        if stack.phase == "stopping":
            _wait_for_exit(folder, stack.pid)
    if not state.is_running(folder):
        _wait_for_orphans(stack)
        try:
            (folder / "state.json").unlink(missing_ok=True)
            _spawn_supervisor(settings)
        except OSError as error:
            raise StackError(explain(error)) from error
    return _wait_until_ready(settings, console)


def _resume(supervisor: int, console: Console) -> None:
    if report.is_frozen(supervisor):
        os.kill(supervisor, signal.SIGCONT)
        console.print("The supervisor was frozen by a signal, and is running again.")


def _wait_for_orphans(stack: State | None) -> None:
    """Wait for the processes of a killed supervisor, which terminate and free their ports."""
    orphans = [process.pid for process in stack.processes if process.pid] if stack else []
    until = time.monotonic() + _ORPHANS_SECONDS
    while any(psutil.pid_exists(pid) for pid in orphans) and time.monotonic() < until:
        time.sleep(_POLL_SECONDS)


def _spawn_supervisor(settings: Settings) -> None:
    logs = settings.folder / "logs"
    logs.mkdir(exist_ok=True)
    with (logs / "supervisor.log").open("ab") as log:
        subprocess.Popen(
            [sys.executable, "-m", "tools.stack.supervisor"],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "WHALE_HOME": str(settings.folder)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _wait_until_ready(settings: Settings, console: Console) -> int:
    started = time.monotonic()
    printed: set[str] = set()
    with console.status("starting …") as line:
        while True:
            time.sleep(_POLL_SECONDS)
            stack = state.read(settings.folder)
            if stack is None:
                _check_alive(settings, since=started)
                continue
            if stack.phase == "ready":
                break
            if stack.phase in {"failed", "stopped"}:
                raise StackError(stack.error or "The stack was stopped while it started.")
            if stack.phase == "starting" and not state.is_running(settings.folder):
                raise StackError("The supervisor ended unexpectedly; `make logs` shows why.")
            line.update(" · ".join(stack.steps) or "starting …")
            for step in stack.steps:
                if step not in printed and not console.is_terminal:
                    console.print(f"{time.monotonic() - started:5.1f} s  {step}")
                printed.add(step)
    _print_welcome(stack, console, seconds=time.monotonic() - started)
    return 0


def _check_alive(settings: Settings, *, since: float) -> None:
    """Raise StackError where the supervisor ended before it published its first state."""
    if time.monotonic() - since > _FIRST_STATE_SECONDS and not state.is_running(settings.folder):
        raise StackError("The supervisor did not start; `make logs` shows why.")


def _print_welcome(stack: State, console: Console, *, seconds: float) -> None:
    console.print(
        f"Up in {seconds:.0f} s at {stack.gateway}  (make status · make logs · make down)"
    )
    console.print("Try:")
    console.print(
        f"  curl {stack.gateway}/v1/stores/me/loyalty-programs \\\n"
        f"    -H 'Authorization: Bearer {DEMO_KEY}'",
        soft_wrap=True,
    )
    console.print(f"Sign in with that key: {stack.gateway}/dashboard", soft_wrap=True)


def down(_arguments: argparse.Namespace) -> int:
    """Stop the stack; returns when all its processes have ended."""
    if _stop(config.settings().folder):
        print("The data stays; `make reset` deletes it.")
    return 0


def _stop(folder: Path) -> bool:
    """Stop the stack; returns whether it was up."""
    stack = state.read(folder)
    if stack is None or not state.is_running(folder):
        print("The stack is not up.")
        return False
    started = time.monotonic()
    os.kill(stack.pid, signal.SIGTERM)
    os.kill(stack.pid, signal.SIGCONT)
    with Console().status("stopping …"):
        _wait_for_exit(folder, stack.pid)
    print(f"Stopped in {time.monotonic() - started:.1f} s.")
    return True


def _wait_for_exit(folder: Path, supervisor: int) -> None:
    until = time.monotonic() + _DOWN_SECONDS
    while state.is_running(folder):
        if time.monotonic() > until:
            raise StackError(
                f"The supervisor, process {supervisor}, does not end; see `make logs`."
            )
        time.sleep(_POLL_SECONDS)


def reset(_arguments: argparse.Namespace) -> int:
    """Stop the stack and remove its folder; raises StackError where the secrets in it belong to a
    PostgreSQL that is not the stack's own, whose data would stay."""
    folder = config.settings().folder
    _check_own_postgres(folder)
    _stop(folder)
    shutil.rmtree(folder, ignore_errors=True)
    print("The data is deleted.")
    return 0


def _check_own_postgres(folder: Path) -> None:
    stack, recorded = state.read(folder), record.read(folder)
    url = None if stack is None else stack.settings.postgres_url
    if recorded is not None and not recorded.is_supervised:
        url = recorded.addresses.postgres_admin
    if url is not None:
        host = urlsplit(url).netloc.rpartition("@")[2]
        raise StackError(
            f"Nothing was deleted. PostgreSQL at {host} was not started by `make up`, so its data would stay, "
            f"and without {folder / 'secrets.json'} its API keys and passwords are invalid. To give it up, "
            f"drop its databases, then delete {folder}."
        )


def status(_arguments: argparse.Namespace) -> int:
    """Print the present state of each process and the lag of each consumer; exit code 1 unless the
    whole stack is ready."""
    folder = config.settings().folder
    try:
        running = record.read_running(folder)
    except StackError as error:
        print(error)
        return 1
    stack = state.read(folder) if running.is_supervised else None
    lines, consumers = asyncio.run(_check(stack, folder))
    print("\n".join([*report.format_table(lines), "", *consumers]))
    if stack is not None and stack.phase != "ready":
        print(f"\nThe stack is {stack.phase}: {' · '.join(stack.steps) or 'please wait'}")
        return 1
    if all(line.is_ready for line in lines):
        return 0
    repair = "; `make up` repairs what is not ready" if stack is not None else ""
    print(f"\nSee docs/runbooks/status.md{repair}.")
    return 1


async def _check(stack: State | None, folder: Path) -> tuple[list[Line], list[str]]:
    async with report.create_probe(folder) as probe:
        lines = report.check_all(probe) if stack is None else report.check(stack, probe)
        return await asyncio.gather(lines, _consumer_table(probe))


async def _consumer_table(probe: Probe) -> list[str]:
    try:
        async with asyncio.timeout(RESPONSE_SECONDS):
            progress = await lag.read_progress(
                probe.addresses.kafka, security=probe.addresses.kafka_security
            )
    except (KafkaError, OSError):
        return ["The consumers' lag is unknown: Kafka does not respond."]
    return lag.format_table(progress)


def restart(arguments: argparse.Namespace) -> int:
    """Restart the services, or one named process, and wait until they are ready."""
    folder = config.settings().folder
    state.check_running(folder)
    stack = state.read(folder)
    if stack is None:
        raise StackError("The stack is still starting. Wait for `make up`.")
    console = Console(highlight=False)
    _resume(stack.pid, console)
    names = control.names_to_restart(stack, arguments.service)
    asyncio.run(control.restart(stack, names, console))
    return 0


def logs(arguments: argparse.Namespace) -> int:
    """Print the last lines of every log, or with `--request` the lines of that request."""
    folder = config.settings().folder / "logs"
    if arguments.request is None:
        print("\n".join(stack_logs.last_lines(folder)) or "There are no logs yet.")
        return 0
    lines = stack_logs.lines_of_request(folder, arguments.request)
    if not lines:
        raise StackError(
            f"No line in {folder} is about the request {arguments.request}. Requests that succeeded "
            "are not logged, old lines are deleted, and of requests without a valid key only 10 a "
            "second are logged."
        )
    print("\n".join(lines))
    return 0


def create_key(arguments: argparse.Namespace) -> int:
    """Print a new key as the last line."""
    command = ["create", "--store", arguments.store]
    command += ["--scopes", arguments.scopes] if arguments.scopes else []
    command += ["--name", arguments.name] if arguments.name else []
    return _run_key_command(command)


def list_keys(arguments: argparse.Namespace) -> int:
    """Print the store's keys, without the keys themselves."""
    return _run_key_command(["list", "--store", arguments.store])


def revoke_key(arguments: argparse.Namespace) -> int:
    """Revoke the only key that begins with the given characters."""
    return _run_key_command(["revoke", "--prefix", arguments.key])


def _run_key_command(command: list[str]) -> int:
    stack = record.find_running()
    print(asyncio.run(seed.run_key_command(stack.addresses, stack.secrets, *command)))
    return 0
