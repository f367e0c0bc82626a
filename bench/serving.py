"""The real server in a child process, and what its workers take of the machine."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: its port, and its workers as long as none is replaced."""

    port: int
    workers: tuple[int, ...]

    def cpu_seconds(self) -> list[float]:
        """Of each worker, since its start."""
        stats = (Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in self.workers)
        return [(int(fields[11]) + int(fields[12])) / TICKS for fields in stats]

    def resident_mib(self) -> list[float]:
        """Of each worker."""
        statuses = (Path(f"/proc/{pid}/status").read_text() for pid in self.workers)
        return [int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024 for status in statuses]  # type: ignore[index]


@contextmanager
def serve(key: str, environment: Mapping[str, str], app: str = "scanner_service.asgi:app") -> Iterator[Server]:
    """
    A server that is ready: gunicorn with the service's settings, on a free port.

    Args:
        key: the API key that it takes.
        environment: variables besides those of this process, `SCANNER_WORKERS` for one.
        app: what gunicorn loads.
    """
    count = int(environment.get("SCANNER_WORKERS", "1"))
    settings = os.environ | {"SCANNER_API_KEYS": f"bench={key}", "SCANNER_BIND": "127.0.0.1:0"} | dict(environment)
    command = [sys.executable, "-m", "gunicorn", "-c", "python:scanner_service.server", app]
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, env=settings, stdout=log, stderr=log)
        try:
            while len(ports := re.findall(r"ASGI server listening on http://127\.0\.0\.1:(\d+)", _read(log))) < count:
                if process.poll() is not None:
                    raise SystemExit(_read(log))
                time.sleep(0.1)
            workers = re.findall(r"Booting worker with pid: (\d+)", _read(log))
            yield Server(int(ports[0]), tuple(map(int, workers)))
        finally:
            process.terminate()
            process.wait()


def _read(log: Any) -> str:
    log.seek(0)
    return str(log.read())
