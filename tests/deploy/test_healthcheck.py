from __future__ import annotations

import os
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.deploy.conftest import ROOT


class Service(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/healthz" else 503)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


class UnixServer(socketserver.UnixStreamServer):
    def get_request(self):
        return super().get_request()[0], ("", 0)


@contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def healthcheck(bind: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", ROOT / "deploy" / "healthcheck.py", *arguments]
    environment = os.environ | {"SCANNER_BIND": bind}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=20)


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", ""])
def test_a_service_on_a_port_is_asked_there(address):
    server = HTTPServer(("127.0.0.1", 0), Service)
    with serving(server):
        bind = f"{address}:{server.server_port},unix:/nowhere"
        assert healthcheck(bind, "/healthz").returncode == 0
        not_ready = healthcheck(bind)
    assert (not_ready.returncode, not_ready.stdout) == (1, "/readyz: 503\n")


def test_a_service_on_a_socket_is_asked_there(tmp_path: Path):
    socket = tmp_path / "scanner.sock"
    with serving(UnixServer(str(socket), Service)):
        assert healthcheck(f"unix:{socket}", "/healthz").returncode == 0
        assert healthcheck(f"unix:{socket}").returncode == 1


@pytest.mark.parametrize("bind", ["127.0.0.1:1", "unix:/nowhere/scanner.sock", "nonsense:port"])
def test_a_service_that_does_not_answer_is_not_healthy(bind):
    done = healthcheck(bind)
    assert done.returncode == 1
    assert done.stderr == ""
