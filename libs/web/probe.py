"""`python -m libs.web.probe`: whether the service in this container is ready, for its health check.

Exits with 0 where it is. It imports little, since it runs every few seconds: an HTTP client would more
than double its processor time.
"""

import os
import socket
import sys
from typing import Final

# Longer than the service's own checks take.
_SECONDS: Final = 4
_REQUEST: Final = b"GET /health/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
_READY: Final = b"HTTP/1.1 200 "


def main() -> int:
    """Request the readiness of the service on this container's own port; returns the exit code."""
    address = "127.0.0.1", int(os.environ["WHALE_HTTP_PORT"])
    try:
        with socket.create_connection(address, timeout=_SECONDS) as connection:
            connection.sendall(_REQUEST)
            status = connection.recv(64)
    except OSError as error:
        print(error)  # noqa: T201  the engine shows it as the reason
        return 1
    print(status.partition(b"\r\n")[0].decode("latin-1"))  # noqa: T201
    return 0 if status.startswith(_READY) else 1


if __name__ == "__main__":
    sys.exit(main())
