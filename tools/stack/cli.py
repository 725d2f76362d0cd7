"""`up`, `down`, `reset`, `status`, `restart`, `logs`, `key`, `key-revoke`."""

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

import psutil
from aiokafka.errors import KafkaError
from rich.console import Console

from tools.stack import config, control, lag, report, seed, services, state
from tools.stack.config import DEMO_KEY, ROOT, Settings
from tools.stack.errors import StackError, explain
from tools.stack.health import RESPONSE_SECONDS, Probe
from tools.stack.report import Line
from tools.stack.state import State

COMMANDS: Final = ("up", "down", "reset", "status", "restart", "logs", "key", "key-revoke")
_LOOK_SECONDS: Final = 0.1
_DOWN_SECONDS: Final = 60.0
_ORPHANS_SECONDS: Final = 10.0
# A Python that imports the supervisor on a busy machine takes its time.
_FIRST_STATE_SECONDS: Final = 60.0


def register(commands: Any) -> None:
    """Add the commands of the local stack."""
    for name, run, told in (
        ("up", up, "start the local stack and wait until it is ready"),
        ("down", down, "stop the local stack; its data stays"),
        ("reset", reset, "stop the local stack and forget its data"),
        ("status", status, "each process: its state, pid, address; each consumer: how far behind"),
        ("logs", logs, "the last lines of every log"),
    ):
        commands.add_parser(name, help=told).set_defaults(run=run)
    again = commands.add_parser("restart", help="restart the services, or one process")
    again.add_argument("service", nargs="?", help="a service, or postgres, redis or kafka")
    again.set_defaults(run=restart)
    key = commands.add_parser("key", help="make an API key")
    key.add_argument("--store", required=True)
    key.add_argument("--scopes")
    key.add_argument("--name")
    key.set_defaults(run=make_key)
    revoke = commands.add_parser("key-revoke", help="revoke an API key")
    revoke.add_argument("--key", required=True, help="its first 12 characters or more")
    revoke.set_defaults(run=revoke_key)


def up(_asked: argparse.Namespace) -> int:
    """Start the stack and wait until it is ready; one that is up is repaired where it is not."""
    settings = config.settings()
    folder = settings.folder
    console = Console(highlight=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StackError(f"{folder} cannot be made: {error.strerror}. Set WHALE_HOME.") from error
    known = state.read(folder)
    if known is not None and state.is_running(folder):
        _let_go_on(known.pid, console)
        if known.phase == "ready":
            if not asyncio.run(control.repair(known, console)):
                console.print(f"The stack is up at {known.gateway} · make status · make down")
            return 0
        if known.phase == "stopping":
            _await_end(folder, known.pid)
    if not state.is_running(folder):
        _await_orphans(known)
        try:
            (folder / "state.json").unlink(missing_ok=True)
            _spawn_supervisor(settings)
        except OSError as error:
            raise StackError(explain(error)) from error
    return _follow(settings, console)


def _let_go_on(supervisor: int, console: Console) -> None:
    if report.is_frozen(supervisor):
        os.kill(supervisor, signal.SIGCONT)
        console.print("The supervisor was frozen by a signal, and goes on now.")


def _await_orphans(known: State | None) -> None:
    """A supervisor that was killed leaves processes that are ending: their ports are free soon."""
    left = [process.pid for process in known.processes if process.pid] if known else []
    until = time.monotonic() + _ORPHANS_SECONDS
    while any(psutil.pid_exists(pid) for pid in left) and time.monotonic() < until:
        time.sleep(_LOOK_SECONDS)


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


def _follow(settings: Settings, console: Console) -> int:
    started = time.monotonic()
    shown: set[str] = set()
    with console.status("starting …") as line:
        while True:
            time.sleep(_LOOK_SECONDS)
            known = state.read(settings.folder)
            if known is None:
                _check_alive(settings, since=started)
                continue
            if known.phase == "ready":
                break
            if known.phase in {"failed", "stopped"}:
                raise StackError(known.error or "The stack was stopped while it started.")
            if known.phase == "starting" and not state.is_running(settings.folder):
                raise StackError(
                    "The supervisor ended by itself; `make logs` shows its last words."
                )
            line.update(" · ".join(known.doing) or "starting …")
            for what in known.doing:
                if what not in shown and not console.is_terminal:
                    console.print(f"{time.monotonic() - started:5.1f} s  {what}")
                shown.add(what)
    _welcome(known, console, seconds=time.monotonic() - started)
    return 0


def _check_alive(settings: Settings, *, since: float) -> None:
    """The supervisor tells its first state at once; one that never does has died."""
    if time.monotonic() - since > _FIRST_STATE_SECONDS and not state.is_running(settings.folder):
        raise StackError("The supervisor did not start; `make logs` shows its last words.")


def _welcome(known: State, console: Console, *, seconds: float) -> None:
    console.print(
        f"Up in {seconds:.0f} s at {known.gateway}  (make status · make logs · make down)"
    )
    console.print("Try:")
    console.print(
        f"  curl {known.gateway}/v1/stores/me/loyalty-programs \\\n"
        f"    -H 'Authorization: Bearer {DEMO_KEY}'",
        soft_wrap=True,
    )


def down(_asked: argparse.Namespace) -> int:
    """Stop the stack; returns when nothing of it is left."""
    folder = config.settings().folder
    known = state.read(folder)
    if known is None or not state.is_running(folder):
        print("The stack is not up.")
        return 0
    started = time.monotonic()
    os.kill(known.pid, signal.SIGTERM)
    os.kill(known.pid, signal.SIGCONT)
    with Console().status("stopping …"):
        _await_end(folder, known.pid)
    took = time.monotonic() - started
    print(f"Down after {took:.1f} s. The data is kept; `make reset` forgets it.")
    return 0


def _await_end(folder: Path, supervisor: int) -> None:
    until = time.monotonic() + _DOWN_SECONDS
    while state.is_running(folder):
        if time.monotonic() > until:
            raise StackError(f"The supervisor, process {supervisor}, does not end; see make logs.")
        time.sleep(_LOOK_SECONDS)


def reset(asked: argparse.Namespace) -> int:
    """Stop the stack and remove its folder."""
    folder = config.settings().folder
    down(asked)
    shutil.rmtree(folder, ignore_errors=True)
    print("Forgotten.")
    return 0


def status(_asked: argparse.Namespace) -> int:
    """How each process is, asked now, and how far each consumer is; exit code 1 unless all of the
    stack is ready."""
    folder = config.settings().folder
    known = state.read(folder)
    if known is None or not state.is_running(folder):
        print("The stack is not up. Start it with `make up`.")
        return 1
    lines, consumers = asyncio.run(_ask(known))
    print("\n".join([*report.table(lines), "", *consumers]))
    if known.phase != "ready":
        print(f"\nThe stack is {known.phase}: {' · '.join(known.doing) or 'please wait'}")
        return 1
    if all(line.is_ready for line in lines):
        return 0
    print("\nSee docs/runbooks/status.md; `make up` repairs what is not ready.")
    return 1


async def _ask(known: State) -> tuple[list[Line], list[str]]:
    async with report.probe_of(known) as probe:
        return await asyncio.gather(report.look(known, probe), _consumers(probe))


async def _consumers(probe: Probe) -> list[str]:
    try:
        async with asyncio.timeout(RESPONSE_SECONDS):
            return lag.table(await lag.progress(probe.kafka, security=probe.kafka_security))
    except (KafkaError, OSError):
        return ["The consumers' lag is unknown: Kafka does not respond."]


def restart(asked: argparse.Namespace) -> int:
    """Restart the services, or the one process named, and wait until it is ready."""
    folder = config.settings().folder
    known = state.read(folder)
    if known is None or not state.is_running(folder):
        raise StackError("The stack is not up. Start it with `make up`.")
    console = Console(highlight=False)
    _let_go_on(known.pid, console)
    names = control.names_to_restart(known, asked.service)
    asyncio.run(control.restart(known, names, console))
    return 0


def logs(_asked: argparse.Namespace) -> int:
    """The last lines of every log, newest file last."""
    folder = config.settings().folder / "logs"
    files = sorted(folder.glob("*.log"), key=lambda path: path.stat().st_mtime)
    if not files:
        print("There are no logs yet.")
    for path in files:
        print(f"── {path}")
        print("\n".join(path.read_text(errors="replace").splitlines()[-20:]))
    return 0


def make_key(asked: argparse.Namespace) -> int:
    """Print a new key as the last line."""
    words = ["create", "--store", asked.store]
    words += ["--scopes", asked.scopes] if asked.scopes else []
    words += ["--name", asked.name] if asked.name else []
    return _keys(words)


def revoke_key(asked: argparse.Namespace) -> int:
    """Revoke the one key that begins so."""
    return _keys(["revoke", "--prefix", asked.key])


def _keys(words: list[str]) -> int:
    settings = config.settings()
    if not state.is_running(settings.folder):
        raise StackError("The stack is not up. Start it with `make up`.")
    secrets = config.stack_secrets(settings.folder)
    where = services.addresses(settings, secrets)
    print(asyncio.run(seed.keys(where, secrets, *words)))
    return 0
