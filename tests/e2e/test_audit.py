"""The audit log of the real server: to a pipe, to files that are taken away, to a collector, and to nowhere."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from scanner_service.audit.event import fingerprint
from tests import collector as traces
from tests.audit.collector import collecting, plain
from tests.e2e.conftest import KEY, Server, configured, running, word
from tests.e2e.test_reload import metric, replace_config, until

AUDIT_KEY = "a key of the tests of the audit log"
RULES = {
    "default": [word("ATTACK"), word("Ada", "redact")],
    "slow": [{"name": "b", "kind": "sleeping", "options": {"seconds": 1.5}}],
}


def events(*paths: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for path in paths for line in path.read_bytes().splitlines()]


def environment(folder: Path, audit: dict[str, object], workers: int = 1, **settings: object) -> dict[str, str]:
    made = configured(folder, RULES, audit=audit, **settings)
    return made | {"SCANNER_WORKERS": str(workers), "SCANNER_AUDIT_KEY": AUDIT_KEY}


def ask(server: Server, count: int) -> None:
    """That many prompts by eight callers, each with an id of its own."""
    with httpx2.Client(base_url=server.url, headers={"authorization": f"Bearer {KEY}"}, timeout=30) as client:

        def one(number: int) -> int:
            text = f"{'ATTACK' if number % 2 else 'fine'} {number}"
            id_ = {"x-request-id": f"r{number}"}
            return client.post("/analyze/prompt", json={"prompt": text}, headers=id_).status_code

        with ThreadPoolExecutor(8) as threads:
            assert set(threads.map(one, range(count))) == {200}


def assert_asked(found: list[dict[str, Any]], count: int) -> None:
    assert sorted(event["request_id"] for event in found) == sorted(f"r{number}" for number in range(count))
    for event in found:
        number = int(event["request_id"][1:])
        assert event["verdict"] == ("blocked" if number % 2 else "valid")
        text = f"{'ATTACK' if number % 2 else 'fine'} {number}"
        assert event["fingerprint"] == fingerprint(text, AUDIT_KEY.encode())


def end(server: Server) -> None:
    server.process.send_signal(signal.SIGTERM)
    server.process.wait(30)


def test_standard_output_holds_events_and_nothing_else(tmp_path: Path) -> None:
    with (tmp_path / "stdout").open("wb") as stdout:
        with running(tmp_path, environment(tmp_path, {"to": "stdout"}, 2), "--make-key", stdout=stdout) as server:
            ask(server, 60)
            end(server)
    assert_asked(events(tmp_path / "stdout"), 60)
    assert "listening on" in server.output


def test_no_event_of_an_answered_request_is_lost_when_the_file_is_rotated_or_the_server_ends(tmp_path: Path) -> None:
    path, rotated = tmp_path / "audit.jsonl", tmp_path / "audit.jsonl.1"
    with running(tmp_path, environment(tmp_path, {"to": "file", "path": str(path)}, 2)) as server:
        with ThreadPoolExecutor(1) as threads:
            asking = threads.submit(ask, server, 160)
            until(lambda: path.exists() and path.read_bytes().count(b"\n") >= 20)
            path.rename(rotated)
            asking.result()
        end(server)
    assert_asked(events(path, rotated), 160)
    assert len(events(path)) >= 20
    assert path.stat().st_mode & 0o777 == 0o600


def test_requests_that_end_with_the_server_have_their_events(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    with running(tmp_path, environment(tmp_path, {"to": "file", "path": str(path)})) as server:
        with ThreadPoolExecutor(2) as threads:
            calls = [
                threads.submit(server.post, "/analyze/prompt", json={"prompt": text, "policy": "slow"}) for text in "ab"
            ]
            until(lambda: metric(server, "scanner_requests_in_flight") == 2)
            end(server)
            assert [call.result().status_code for call in calls] == [200, 200]
    key = AUDIT_KEY.encode()
    assert {event["fingerprint"] for event in events(path)} == {fingerprint(text, key) for text in "ab"}


def test_a_stream_that_does_not_end_in_time_has_its_event_and_its_trace(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    with traces.collecting() as collector:
        audit = {"to": "file", "path": str(path)}
        settings = environment(tmp_path, audit, scan_timeout_seconds=0.5, body_timeout_seconds=0.5)
        with running(tmp_path, settings | {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}) as server:
            with socket.create_connection(("127.0.0.1", server.port)) as connection, ThreadPoolExecutor(1) as threads:
                connection.sendall(STREAM + chunk({}) + chunk({"delta": "x " * 200}))
                assert b"200 OK" in connection.recv(65536)
                ending = threads.submit(end, server)
                while not ending.done():
                    with suppress(OSError):
                        connection.sendall(chunk({"delta": ""}))
                    time.sleep(0.2)
            assert server.process.returncode == 0
        (root,) = collector.roots(1)
    (event,) = events(path)
    assert (event["verdict"], event["error"], event["characters"]) == ("error", "caller_gone", 400)
    assert root.attributes["scanner.request_id"] == event["request_id"]


def test_a_device_that_is_full_is_counted_and_answers_are_given(tmp_path: Path) -> None:
    with running(tmp_path, environment(tmp_path, {"to": "file", "path": "/dev/full"})) as server:
        ask(server, 3)
        until(lambda: metric(server, 'scanner_audit_failures_total{reason="write"}') == 3)
        (line,) = server.logged("could not record decisions")
        assert line["code"] == "ENOSPC"
        assert "ATTACK" not in server.output


def test_what_must_be_recorded_is_not_answered_until_it_can_be(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    audit = {"to": "file", "path": str(folder / "audit.jsonl"), "required": True}
    with running(tmp_path, environment(tmp_path, audit)) as server:
        assert server.post("/analyze/prompt", json={"prompt": "one"}).status_code == 200
        assert len(events(folder / "audit.jsonl")) == 1  # before the answer, not some time after it
        folder.rename(tmp_path / "away")
        refused = server.post("/analyze/prompt", json={"prompt": "two"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "audit_failed")
        assert (refused.json()["is_valid"], refused.headers["retry-after"]) == (False, "1")
        (tmp_path / "away").rename(folder)
        assert server.post("/analyze/prompt", json={"prompt": "three"}).status_code == 200
        assert len(events(folder / "audit.jsonl")) == 2
        assert [line["lost"] for line in server.logged("decisions are recorded again")] == [1]


STREAM = (
    f"POST /analyze/output/stream HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {KEY}\r\n"
    "Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
).encode()


def chunk(line: dict[str, str]) -> bytes:
    content = json.dumps(line).encode() + b"\n"
    return f"{len(content):x}\r\n".encode() + content + b"\r\n"


def test_a_caller_that_hangs_up_leaves_an_event(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    content = b'{"prompt": "a", "policy": "slow"}'
    head = (
        f"POST /scan/prompt HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {KEY}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    with running(tmp_path, environment(tmp_path, {"to": "file", "path": str(path)})) as server:
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(head.encode() + content)
            until(lambda: metric(server, "scanner_requests_in_flight") == 1)
        until(lambda: path.read_bytes().count(b"\n") == 1)
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(STREAM + chunk({}) + chunk({"delta": "x " * 200}))
            assert b"200 OK" in connection.recv(65536)
        until(lambda: path.read_bytes().count(b"\n") == 2)
    for event, direction, characters in zip(events(path), ("prompt", "output"), (1, 400), strict=True):
        assert (event["verdict"], event["error"]) == ("error", "caller_gone")
        assert (event["direction"], event["characters"]) == (direction, characters)


def test_a_collector_gets_the_events_even_those_that_wait_for_it_when_the_server_ends(tmp_path: Path) -> None:
    with collecting() as collector:
        collector.seconds = 1.0
        settings = environment(tmp_path, {"to": "otlp"}, 2) | {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
        with running(tmp_path, settings) as server:
            ask(server, 40)
            assert len(collector.records) < 40
            end(server)
        assert_asked([plain(record.body) for record in collector.records], 40)


def test_what_cannot_be_written_to_is_said_before_the_start(tmp_path: Path) -> None:
    audit = {"to": "file", "path": str(tmp_path / "absent" / "audit.jsonl")}
    with pytest.raises(
        RuntimeError, match=r"/audit\.jsonl: cannot be written: No such file or directory - at `\$.audit`"
    ):
        with running(tmp_path, environment(tmp_path, audit)):
            pass


def command(*arguments: object, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    call = [sys.executable, "-m", "scanner_service", "evidence", *map(str, arguments)]
    return subprocess.run(call, input=stdin, capture_output=True, check=False)


@pytest.fixture
def key_pair(tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    """The file of a private key, and what to write into a policy."""
    made = command("keygen", tmp_path / "evidence.pem")
    assert made.returncode == 0
    _, snippet = made.stdout.decode().split("\n\n")
    return tmp_path / "evidence.pem", yaml.safe_load(snippet)


def test_evidence_can_be_read_with_the_private_key_and_by_nobody_else(tmp_path: Path, key_pair: Any) -> None:
    private, snippet = key_pair
    assert private.stat().st_mode & 0o777 == 0o600
    path, folder = tmp_path / "audit.jsonl", tmp_path / "server"
    settings = environment(folder, {"to": "file", "path": str(path)})
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["policies"]["default"] |= snippet
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    with running(folder, settings) as server:
        digest = server.post("/analyze/prompt", json={"prompt": "Ada \x9b’s ATTACK"}).json()["policy_digest"]
        server.post("/analyze/prompt", json={"prompt": "fine"})
        workers = re.findall(r"Booting worker with pid: (\d+)", server.output)
        held = b"".join(Path(f"/proc/{pid}/environ").read_bytes() for pid in workers)
        end(server)
    assert b"PRIVATE KEY" not in held + (folder / "config.yaml").read_bytes()
    opened = command("open", "--key", private, path)
    assert (opened.returncode, opened.stderr, len(opened.stdout.splitlines())) == (0, b"", 1)
    text = json.loads(opened.stdout)
    assert (text["text"], text["complete"], text["verdict"]) == ("Ada \x9b’s ATTACK", True, "blocked")
    assert opened.stdout.isascii()
    assert command("open", "--key", private, stdin=path.read_bytes()).stdout == opened.stdout
    assert events(path)[0]["policy_digest"] == digest

    command("keygen", tmp_path / "other.pem")
    refused = command("open", "--key", tmp_path / "other.pem", path)
    assert (refused.returncode, refused.stdout) == (2, b"")
    assert b"lines that are no events, or not sealed for this key: 1" in refused.stderr


def test_a_key_is_not_overwritten_and_a_wrong_one_is_named(tmp_path: Path, key_pair: Any) -> None:
    private, _ = key_pair
    before = private.read_bytes()
    for arguments, reason in [
        (("keygen", private), b"cannot be written: File exists"),
        (("open", "--key", tmp_path / "absent"), b"absent: cannot be read: No such file"),
        (("open", "--key", __file__), b"not a private key in PEM"),
        (("open", "--key", private, tmp_path / "absent"), b"absent: cannot be read: No such file"),
    ]:
        done = command(*arguments)
        assert (done.returncode, done.stderr.count(b"\n")) == (2, 1)
        assert reason in done.stderr
    assert private.read_bytes() == before
    assert command("open", "--key", private, stdin=b'{"half\n').returncode == 2


def test_what_a_policy_keeps_can_change_while_the_service_runs_and_where_it_is_recorded_cannot(
    tmp_path: Path, key_pair: Any
) -> None:
    _, snippet = key_pair
    path, folder = tmp_path / "audit.jsonl", tmp_path / "server"
    with running(folder, environment(folder, {"to": "file", "path": str(path)})) as server:
        config = yaml.safe_load((folder / "config.yaml").read_text())
        config["audit"]["path"] = str(tmp_path / "other.jsonl")
        config["policies"]["default"] |= snippet
        replace_config(folder, config)
        server.process.send_signal(signal.SIGHUP)
        until(lambda: bool(server.logged("policies reloaded")))
        assert server.logged("policies reloaded")[0]["needs_restart"] == ["audit"]
        server.post("/analyze/prompt", json={"prompt": "ATTACK"})
        end(server)
    (event,) = events(path)
    assert event["evidence"]["characters"] == 6
    assert not (tmp_path / "other.jsonl").exists()
