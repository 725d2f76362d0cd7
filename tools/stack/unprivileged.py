"""The user that runs the servers: under root, a user who owns nothing and has no other rights.

PostgreSQL refuses to run as root; Kafka and Redis process untrusted input and do not need root. The
services run as the user who starts the stack: the interpreter and the project's folder are often
readable by that user only.
"""

import os
import pwd
import subprocess
from pathlib import Path
from typing import Any, Final

from tools.stack.errors import StackError

_USER: Final = "nobody"


def server_user() -> str | None:
    """The servers' user when started by root; None if they run as the caller."""
    return _USER if os.geteuid() == 0 else None


def process_options() -> dict[str, Any]:
    """Arguments for `subprocess` that run a program as the servers' user, in none of root's groups."""
    if server_user() is None:
        return {}
    return {"user": _USER, "group": pwd.getpwnam(_USER).pw_gid, "extra_groups": []}


def change_owner(path: Path) -> None:
    """Make the servers' user the owner of a file, or of a folder and everything in it."""
    if server_user() is None:
        return
    uid = pwd.getpwnam(_USER).pw_uid
    if path.stat().st_uid == uid:
        return
    # Links are not followed: the servers' user could point one at any file of another user.
    for each in (*path.rglob("*"), path):
        os.chown(each, uid, -1, follow_symlinks=False)


def write_private(path: Path, content: str) -> None:
    """Write a file that only the servers' user can read, at no moment readable by other users."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(content)
    change_owner(path)


def check_reachable(*paths: Path) -> None:
    """Raise StackError where the servers' user cannot read one of `paths`."""
    if server_user() is None:
        return
    for path in paths:
        outcome = subprocess.run(["test", "-r", path], cwd="/", check=False, **process_options())
        if outcome.returncode:
            raise StackError(
                f"The servers do not run as root, and the user {_USER} cannot read {path}: run as "
                "an ordinary user, or use a folder that other users can read."
            )
