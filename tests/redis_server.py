"""A real Redis on a free port, for the tests that claim one."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

BINARY = shutil.which("redis-server")


class RedisServer:
    """A Redis of one test; it can be stalled, killed and started again."""

    def __init__(self, folder: Path) -> None:
        if BINARY is None:
            pytest.skip("redis-server is not installed: apt-get install redis-server")
        self._folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self._folder)]
        self._process = subprocess.Popen([BINARY or "", *options], stdout=subprocess.DEVNULL)
        until = time.monotonic() + 10
        while time.monotonic() < until:
            try:
                if self.command("PING") == b"+PONG\r\n":
                    return
            except OSError:
                time.sleep(0.02)
        raise RuntimeError("redis-server does not answer")

    def command(self, *words: str) -> bytes:
        """The raw answer to one command; without the client that is under test."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(" ".join(words).encode() + b"\r\n")
            return connection.recv(1 << 20)

    def stall(self, seconds: float) -> None:
        """Let it accept connections and answer nobody."""
        self.command("CLIENT", "PAUSE", str(int(seconds * 1000)))

    def freeze(self) -> None:
        """Stop the process: its port still takes connections, and nobody is answered."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
