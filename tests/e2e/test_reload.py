"""Policies changed under a running server: with several workers, under load, and with files that cannot be used."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import httpx2
import pytest
import yaml

from tests.e2e.conftest import KEY, Server, configured, running, word

NEEDS_A_MODEL = {"name": "injection", "kind": "classifier", "options": {"model": "unused", "labels": ["NOTHING"]}}
WORKERS = 2


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reload")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    environment = configured(folder, {"default": [word("first")]})
    with running(folder, environment | {"SCANNER_WORKERS": str(WORKERS)}) as started:
        # Ready is whoever answers first; a worker that starts later would read the changed file at once.
        until(lambda: started.output.count("ASGI server listening") == WORKERS)
        yield started


def replace_config(folder: Path, content: object) -> None:
    """As Kubernetes does it: the new file appears at once."""
    (folder / "next.yaml").write_text(content if isinstance(content, str) else yaml.safe_dump(content), "utf-8")
    (folder / "next.yaml").rename(folder / "config.yaml")


def policies(*rules: dict[str, object], **settings: object) -> dict[str, object]:
    return {"policies": {"default": {"prompt": [*rules], "output": [*rules]}}, **settings}


def until(holds: Callable[[], bool], seconds: float = 20, times: int = 1) -> None:
    """Wait until *holds*, so many times in a row."""
    end, row = time.monotonic() + seconds, 0
    while row < times:
        assert time.monotonic() < end, "it did not come about"
        row = row + 1 if holds() else 0
        time.sleep(0.0 if row else 0.05)


def until_everywhere(holds: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until *holds* in all workers: every request has a connection of its own, which goes to any of them."""
    until(holds, seconds, times=20)


# Made once: what it trusts takes longer to read than a request takes.
CLIENT = httpx2.Client(limits=httpx2.Limits(max_keepalive_connections=0), timeout=30)


def ask(server: Server, text: str, key: str = KEY) -> httpx2.Response:
    headers = {"authorization": f"Bearer {key}"}
    return CLIENT.post(server.url + "/analyze/prompt", headers=headers, json={"prompt": text})


def blocks(server: Server, text: str) -> bool:
    return bool(ask(server, text).json()["blocked"])


def digest(server: Server) -> str:
    return str(ask(server, "fine").json()["policy_digest"])


def metric(server: Server, name: str) -> float:
    lines = [line for line in CLIENT.get(server.url + "/metrics").text.splitlines() if line.startswith(name)]
    return float(lines[0].split()[-1]) if lines else 0.0


def reloaded(server: Server) -> float:
    return metric(server, 'scanner_policy_reloads_total{outcome="reloaded"}')


def take_over(server: Server, folder: Path, content: object) -> None:
    """Have all workers serve *content*."""
    count = reloaded(server)
    replace_config(folder, content)
    server.process.send_signal(signal.SIGHUP)
    until(lambda: reloaded(server) >= count + WORKERS)


def refused(server: Server) -> float:
    return metric(server, 'scanner_policy_reloads_total{outcome="refused"}')


@contextmanager
def load(server: Server) -> Iterator[list[int]]:
    """Requests without a pause, and their statuses."""
    statuses: list[int] = []
    done = threading.Event()

    def work() -> None:
        while not done.is_set():
            statuses.append(ask(server, "fine").status_code)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield statuses
    finally:
        done.set()
        for thread in threads:
            thread.join()


def test_a_changed_file_is_taken_over_without_a_failed_request(server: Server, folder: Path) -> None:
    before, read_before = digest(server), metric(server, "scanner_policy_last_success_timestamp_seconds")
    with load(server) as statuses:
        replace_config(folder, policies(word("second"), scan_timeout_seconds=9.0))
        until(lambda: reloaded(server) == WORKERS)
        until_everywhere(lambda: blocks(server, "second") and not blocks(server, "first"))
    assert len(statuses) > 20
    assert set(statuses) == {200}
    assert digest(server) != before
    assert metric(server, "scanner_policy_last_success_timestamp_seconds") > read_before
    assert [line["needs_restart"] for line in server.logged("policies reloaded")] == [
        ["scan_timeout_seconds"]
    ] * WORKERS


def test_sighup_is_answered_without_new_workers(server: Server, folder: Path) -> None:
    workers = {line for line in server.output.splitlines() if "Booting worker" in line}
    started = time.monotonic()
    take_over(server, folder, policies(word("third", action="monitor", stops=True), word("third", name="again")))
    assert time.monotonic() - started < 2  # a change is only believed at the second look, and there is one every 2 s
    until_everywhere(lambda: blocks(server, "third"))
    assert len(server.logged("policies reloaded")[-1]["to_no_effect"]) == 2
    assert {line for line in server.output.splitlines() if "Booting worker" in line} == workers


@pytest.mark.parametrize(
    ("content", "reason", "by_signal"),
    [
        ("policies: [\n", "config.yaml: not YAML", False),
        ("policies: [\n", "config.yaml: not YAML", True),
        (
            policies(word("fourth", threshold=2)),
            "config.yaml: Expected `float` <= 1.0 - at `$.policies.default.output[0].threshold`",
            True,
        ),
        (policies({"name": "fourth", "kind": "nonsense"}), "there is no kind of scanner called `nonsense`", True),
        (policies(NEEDS_A_MODEL), "needs the model `unused`, which is only loaded at start", True),
        (policies(word("fourth"), keys={"nobody": {"policies": ["default"]}}), "$.keys.nobody", True),
        ("", "config.yaml", True),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_and_the_old_policy_stays(
    server: Server, folder: Path, content: object, reason: str, by_signal: bool
) -> None:
    take_over(server, folder, policies(word("good")))
    before, count, logged = digest(server), refused(server), len(server.logged("policies refused"))
    replace_config(folder, content)
    if by_signal:
        server.process.send_signal(signal.SIGHUP)
    until(lambda: refused(server) >= count + WORKERS)
    assert reason in str(server.logged("policies refused")[logged]["reason"])
    until_everywhere(lambda: digest(server) == before and blocks(server, "good"))
    assert server.process.poll() is None


def test_a_worker_that_is_replaced_beside_a_broken_file_serves_what_the_others_serve(
    server: Server, folder: Path
) -> None:
    take_over(server, folder, policies(word("kept")))
    before, count = digest(server), refused(server)
    replace_config(folder, "log_level: {{ .Values.level }}\n")
    server.process.send_signal(signal.SIGHUP)
    until(lambda: refused(server) == count + WORKERS)
    os.kill(int(re.findall(r"Booting worker with pid: (\d+)", server.output)[-1]), signal.SIGKILL)
    until(lambda: refused(server) == count + WORKERS + 1, seconds=60)  # it starts, and looks twice
    until_everywhere(lambda: digest(server) == before and blocks(server, "kept"))
    assert server.process.poll() is None


def test_a_mended_file_is_taken_over(server: Server, folder: Path) -> None:
    count = refused(server)
    replace_config(folder, "policies: {\n")
    until(lambda: refused(server) >= count + WORKERS)
    count = reloaded(server)
    replace_config(folder, policies(word("mended")))
    until(lambda: reloaded(server) >= count + WORKERS)
    until_everywhere(lambda: blocks(server, "mended"))


def test_keys_can_be_changed_too(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    new = "another key for the tests of the server"
    keys.write_text(f"old={sha256(KEY.encode()).hexdigest()}\n")
    environment = configured(tmp_path, {"default": [word("first")]})
    with running(tmp_path, environment | {"SCANNER_API_KEYS": "", "SCANNER_API_KEYS_FILE": str(keys)}) as server:
        assert ask(server, "fine", new).status_code == 401
        keys.write_text(f"new={sha256(new.encode()).hexdigest()}\n")
        until(lambda: ask(server, "fine", new).status_code == 200)
        assert ask(server, "fine").status_code == 401
