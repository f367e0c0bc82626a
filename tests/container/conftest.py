"""The image, run by podman as a cluster would run it. `make image-test` builds it first."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx2
import pytest

# They need root, minutes and podman: `make image-test` builds the image and sets what says that it has.
BASE = os.environ.get("SCANNER_TEST_PYTHON", "")
collect_ignore_glob = [] if BASE else ["test_*.py"]

IMAGE = "localhost/scanner-service:test"
KEY = "key-of-the-image-test-0123456789"
# What the pod security standard asks for, and the limits of the chart.
HARDENED = [
    *("--read-only", "--read-only-tmpfs=false", "--tmpfs", "/tmp:size=64m"),
    *("--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--pids-limit", "128", "--memory", "1g"),
]
READY_SECONDS = 90


def podman(*arguments: str, check: bool = True, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    command = ["podman", "--log-level", "fatal", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=200, input=stdin)
    if check and done.returncode:
        pytest.fail(f"podman {' '.join(arguments)}: {done.stderr}")
    return done


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True, slots=True)
class Container:
    """A running one, and where it listens."""

    name: str
    port: int

    def client(self) -> httpx2.Client:
        headers = {"Authorization": f"Bearer {KEY}"}
        return httpx2.Client(base_url=f"http://127.0.0.1:{self.port}", headers=headers, timeout=20)

    def inside(self, *command: str) -> str:
        return podman("exec", self.name, *command).stdout


def wait_until(holds: Callable[[], bool], what: str, seconds: float = READY_SECONDS) -> None:
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            pytest.fail(f"not within {seconds:g} s: {what}")
        time.sleep(0.25)


def is_healthy(name: str) -> bool:
    return podman("healthcheck", "run", name, check=False).returncode == 0


@contextmanager
def running(*options: str, **environment: str) -> Iterator[Container]:
    """A hardened container that is ready; gone afterwards."""
    port = free_port()
    name = f"scanner-test-{os.getpid()}-{port}"
    variables = {
        "SCANNER_BIND": f"127.0.0.1:{port}",
        "SCANNER_API_KEYS": f"test={KEY}",
        "SCANNER_VAULT_KEYS": "vault-key-of-the-image-test-0123",
    } | environment
    pairs = [part for key, value in variables.items() for part in ("--env", f"{key}={value}")]
    podman("run", "--detach", "--name", name, "--network", "host", *HARDENED, *pairs, *options, IMAGE)
    try:
        wait_until(lambda: is_healthy(name), f"{name} is healthy; {podman('logs', name).stderr[-2000:]}")
        yield Container(name, port)
    finally:
        podman("rm", "--force", "--time", "0", name)


@pytest.fixture(scope="module")
def container() -> Iterator[Container]:
    with running() as one:
        yield one
