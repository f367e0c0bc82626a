"""What `helm test` runs, against a service that is late, one that is not ready and none at all."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tests.deploy.conftest import CHART

SMOKE = (CHART / "files" / "smoke.py").read_text("utf-8")


class Service(BaseHTTPRequestHandler):
    """Ready at the second look; knows no key."""

    looks = 0

    def do_GET(self) -> None:
        type(self).looks += 1
        self.answer(200 if self.looks > 1 else 503, {})

    def do_POST(self) -> None:
        self.answer(401, {"is_valid": False})

    def answer(self, status: int, body: object) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *arguments: object) -> None:
        pass


def smoke(port: int, code: str = SMOKE) -> subprocess.CompletedProcess[str]:
    environment = {"SCANNER_URL": f"http://127.0.0.1:{port}"}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def late():
    """A server that has its port and listens a little later."""
    Service.looks = 0
    with HTTPServer(("127.0.0.1", 0), Service, bind_and_activate=False) as server:
        server.server_bind()

        def listen() -> None:
            time.sleep(1)
            server.server_activate()
            server.serve_forever()

        thread = threading.Thread(target=listen)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_a_service_that_is_late_is_waited_for(late):
    done = smoke(late)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "ok: the service is ready\nok: a wrong key is refused\n"


def test_a_service_that_never_listens_fails_in_one_line():
    with HTTPServer(("127.0.0.1", 0), Service, bind_and_activate=False) as server:
        server.server_bind()
        done = smoke(server.server_port, SMOKE.replace("PATIENCE = 60", "PATIENCE = 0"))
    assert done.returncode == 1
    assert done.stderr.startswith("FAILED: the service is ready: ")
    assert done.stderr.count("\n") == 1
