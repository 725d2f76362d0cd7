"""Migrates the databases of several services in one process: its imports take longer than migrations.

`python -m tools.stack.migrations` reads the owners' URLs by service from its input, as JSON: they
contain passwords, and all users can read the arguments of a process. It prints each service whose
database it has migrated, and stops at the first failure.
"""

import sys

import msgspec

from libs.persistence.migrate import upgrade

if __name__ == "__main__":
    urls = msgspec.json.decode(sys.stdin.buffer.read(), type=dict[str, str])
    for service, url in urls.items():
        upgrade(f"services.{service}", url)
        print(service, flush=True)
