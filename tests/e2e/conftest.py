"""The real server as a child process: what it is asked over real sockets, it answers."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import httpx2
import pytest
import yaml

KEY = "a-key-for-the-tests-of-the-server"
TIED_KEY = "a-key-that-may-use-one-policy-only"
PLUGINS = Path(__file__).parent / "plugins"

# A model that no rule of the test policies needs, so that nothing is loaded.
MANIFEST = """
[models.unused]
file = "unused.onnx"
sha256 = "{zeros}"
tokenizer = "tokenizer.json"
tokenizer_sha256 = "{zeros}"
window_tokens = 128
overlap_tokens = 32
licence = "none"

[[models.unused.heads]]
output = "logits"
kind = "sequence"
activation = "sigmoid"
labels = ["NOTHING"]
""".format(zeros="0" * 64)


@dataclass
class Server:
    """A running server and how to talk to it."""

    process: subprocess.Popen[bytes]
    log: Path
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def output(self) -> str:
        return self.log.read_text("utf-8", errors="replace")

    def post(self, path: str, key: str | None = KEY, **settings: object) -> httpx2.Response:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        headers |= settings.pop("headers", {})  # type: ignore[arg-type]
        return httpx2.post(self.url + path, headers=headers, timeout=30, **settings)

    def get(self, path: str) -> httpx2.Response:
        return httpx2.get(self.url + path, timeout=30)

    def logged(self, message: str) -> list[dict[str, object]]:
        lines = [json.loads(line) for line in self.output.splitlines() if line.startswith("{")]
        return [line for line in lines if line["message"] == message]


@contextmanager
def running(
    folder: Path, environment: dict[str, str], *arguments: str, stdout: IO[bytes] | None = None
) -> Iterator[Server]:
    """Start `scanner-service serve`, wait until it is ready, and end it; its standard output may go elsewhere."""
    folder.mkdir(exist_ok=True)
    log = folder / "output.log"
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(PLUGINS),
        "SCANNER_BIND": "127.0.0.1:0",
        "SCANNER_API_KEYS": f"test={KEY},tied={TIED_KEY}",
    } | environment
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "scanner_service", "serve", *arguments],
            env=environment,
            stdout=stdout or output,
            stderr=output,
        )
    server = Server(process, log)
    try:
        _wait(server)
        yield server
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
        process.wait()


def _wait(server: Server) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if server.process.poll() is not None:
            raise RuntimeError(f"the server ended at start with {server.process.returncode}:\n{server.output}")
        if match := re.search(r"Listening at: http://127\.0\.0\.1:(\d+)", server.output):
            server.port = int(match[1])
            try:
                if server.get("/readyz").status_code == 200:
                    return
            except httpx2.TransportError:
                pass
        time.sleep(0.05)
    raise RuntimeError(f"the server is not ready:\n{server.output}")


def configured(folder: Path, policies: dict[str, list[dict[str, object]]], **settings: object) -> dict[str, str]:
    """The environment for a configuration of test kinds; each policy has one chain for prompts and outputs."""
    config = {"policies": {name: {"prompt": chain, "output": chain} for name, chain in policies.items()}} | settings
    folder.mkdir(exist_ok=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(config), "utf-8")
    (folder / "manifest.toml").write_text(MANIFEST, "utf-8")
    return {"SCANNER_CONFIG": str(folder / "config.yaml"), "SCANNER_MODELS": str(folder / "manifest.toml")}


def word(word: str, action: str = "block", **settings: object) -> dict[str, object]:
    """A rule that acts on a word."""
    return {"name": word.lower(), "kind": "word", "action": action, "options": {"word": word}} | settings


POLICIES = {
    "default": [
        word("ATTACK"),
        word("Ada", "redact", name="person", options={"word": "Ada", "label": "PERSON"}),
        word("whisper", optional=True),
    ],
    "failing": [{"name": "broken", "kind": "failing"}],
    "forgiving": [{"name": "broken", "kind": "failing", "on_error": "allow"}],
    "slow": [{"name": "slow", "kind": "sleeping", "options": {"seconds": 1.4}}],
    "brief": [{"name": "brief", "kind": "sleeping", "options": {"seconds": 0.3}}],
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with test kinds."""
    folder = tmp_path_factory.mktemp("server")
    environment = configured(
        folder,
        POLICIES,
        scan_timeout_seconds=1.0,
        body_timeout_seconds=1.0,
        keys={"tied": {"policies": ["brief"]}},
        limits={"max_body_bytes": 200_000, "max_batch_items": 8},
    )
    with running(folder, environment) as started:
        yield started
