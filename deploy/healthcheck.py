#!/usr/bin/env python3
"""
Ask the service in this container, over its first address, whether it is ready.

    healthcheck [PATH]

PATH is `/readyz` unless given. Exit status 0 if the answer is 200, 1 otherwise. The address comes from `SCANNER_BIND`,
so that a service which listens on a Unix socket alone, where no kubelet can reach it, has probes too. The standard
library is enough: a probe that imports the service would cost more than what it asks.
"""

from __future__ import annotations

import http.client
import os
import socket
import sys
from collections.abc import Mapping

TIMEOUT_SECONDS = 3.0
DEFAULT_PORT = 8000


class UnixConnection(http.client.HTTPConnection):
    """HTTP over the Unix socket at *path*."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=TIMEOUT_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def connection(bind: str) -> http.client.HTTPConnection:
    """A connection to the first address of *bind*: `host:port`, `[::]:port` or `unix:path`, comma-separated."""
    first = bind.split(",", maxsplit=1)[0].strip()
    if first.startswith("unix:"):
        return UnixConnection(first.removeprefix("unix:"))
    host, _, port = first.rpartition(":")
    host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "[::]": "::1"}.get(host, host.strip("[]"))
    return http.client.HTTPConnection(host, int(port or DEFAULT_PORT), timeout=TIMEOUT_SECONDS)


def main(arguments: list[str], environment: Mapping[str, str]) -> int:
    """The exit status; why it is 1 is printed."""
    path = arguments[0] if arguments else "/readyz"
    try:
        asked = connection(environment.get("SCANNER_BIND") or f"127.0.0.1:{DEFAULT_PORT}")
        asked.request("GET", path)
        status = asked.getresponse().status
    except (OSError, ValueError, http.client.HTTPException) as error:
        print(f"{path}: {error}")  # noqa: T201 - what `docker inspect` and `kubectl describe` show
        return 1
    print(f"{path}: {status}")  # noqa: T201
    return 0 if status == 200 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
