"""Who runs the servers: where we are root, a user who owns nothing and may do nothing else.

PostgreSQL refuses to run as root; Kafka and Redis run untrusted input and have no use for it. The
services stay with the user who starts the stack: the interpreter and the project's folder are often
readable by that user alone.
"""

import os
import pwd
import subprocess
from pathlib import Path
from typing import Any, Final

from tools.stack.errors import StackError

_USER: Final = "nobody"


def user() -> str | None:
    """The servers' user where we are root; None where they run as we do."""
    return _USER if os.geteuid() == 0 else None


def as_user() -> dict[str, Any]:
    """What `subprocess` takes to run a program as the servers' user, in none of root's groups."""
    if user() is None:
        return {}
    return {"user": _USER, "group": pwd.getpwnam(_USER).pw_gid, "extra_groups": []}


def give(path: Path) -> None:
    """Make the servers' user the owner of a file, or of a folder with all that is in it."""
    if user() is None:
        return
    uid = pwd.getpwnam(_USER).pw_uid
    if path.stat().st_uid == uid:
        return
    # Never through a link: where the servers' user may write, it could point at anybody's file.
    for each in (*path.rglob("*"), path):
        os.chown(each, uid, -1, follow_symlinks=False)


def write_private(path: Path, content: str) -> None:
    """Write a file that the servers' user alone may read; it never was readable by others."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(content)
    give(path)


def check_reachable(*paths: Path) -> None:
    """Raise StackError where the servers' user may not read one of `paths`."""
    if user() is None:
        return
    for path in paths:
        looked = subprocess.run(["test", "-r", path], cwd="/", check=False, **as_user())
        if looked.returncode:
            raise StackError(
                f"The servers do not run as root, and the user {_USER} cannot read {path}: run as "
                "an ordinary user, or use a folder that is open to others."
            )
