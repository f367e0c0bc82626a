"""What the server lives on is taken away while it works: a worker, the disk, Redis."""

from __future__ import annotations

import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest

from scanner_service.shared import CALL_SECONDS
from tests.e2e.conftest import KEY, Server, configured, running, word
from tests.redis_server import RedisServer

CHAIN = {"default": [word("ATTACK"), word("Ada", "redact", options={"word": "Ada", "label": "PERSON"})]}


@dataclass
class Caller(threading.Thread):
    """Asks over one kept connection, text after text, none twice; connects again when that breaks."""

    server: Server
    number: int
    stop: threading.Event
    seconds: list[float] = field(default_factory=list)
    broken: int = 0
    wrong: list[object] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.client = httpx2.Client(base_url=self.server.url, headers={"authorization": f"Bearer {KEY}"}, timeout=30)
        self.client.get("/healthz")

    __hash__ = threading.Thread.__hash__

    @property
    def port(self) -> int:
        """Its own end of the connection."""
        [connection] = self.client._transport._pool.connections
        stream = connection._connection._network_stream
        return int(stream.get_extra_info("client_addr")[1])

    def run(self) -> None:
        while not self.stop.is_set():
            text = f"{'ATTACK' if len(self.seconds) % 3 else 'Ada'} {self.number}.{len(self.seconds)}"
            started = time.perf_counter()
            try:
                response = self.client.post("/analyze/prompt", json={"prompt": text})
            except httpx2.TransportError:
                self.broken += 1
                continue
            self.seconds.append(time.perf_counter() - started)
            answer = response.json()
            right = answer.get("sanitized_prompt") == text.replace("Ada", "[PERSON_1]")
            if response.status_code != 200 or not right or answer["is_valid"] is text.startswith("ATTACK"):
                self.wrong.append(answer)


@contextmanager
def calling(server: Server, callers: list[Caller], stop: threading.Event) -> Iterator[None]:
    for caller in callers:
        caller.start()
    try:
        yield
    finally:
        stop.set()
        for caller in callers:
            caller.join()
            caller.client.close()


def until(holds: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.05)


def total(server: Server, name: str) -> float:
    lines = [line for line in server.get("/metrics").text.splitlines() if line.startswith(name)]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


def answered(callers: list[Caller]) -> int:
    return sum(len(caller.seconds) for caller in callers)


def more_answers(callers: list[Caller], count: int = 5) -> None:
    """Wait until each caller has had so many more."""
    before = [len(caller.seconds) for caller in callers]
    until(lambda: all(len(c.seconds) >= b + count for c, b in zip(callers, before, strict=True)))


def booted(server: Server) -> list[int]:
    return [int(pid) for pid in re.findall(r"Booting worker with pid: (\d+)", server.output)]


def remote_ports(pid: int) -> set[int]:
    """The other ends of the connections that a process holds."""
    inodes = set()
    for handle in Path(f"/proc/{pid}/fd").iterdir():
        if match := re.fullmatch(r"socket:\[(\d+)\]", str(handle.readlink())):
            inodes.add(match[1])
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {int(row[2].rpartition(":")[2], 16) for row in rows if row[9] in inodes}


def two_workers(folder: Path, environment: dict[str, str], stack: ExitStack) -> Server:
    server = stack.enter_context(running(folder, environment | {"SCANNER_WORKERS": "2"}))
    until(lambda: server.output.count("ASGI server listening") == 2)
    return server


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="only Linux tells which worker holds a connection")
def test_a_killed_worker_fails_its_own_connections_only_and_is_replaced(tmp_path: Path) -> None:
    stop = threading.Event()
    with ExitStack() as stack:
        server = two_workers(tmp_path, configured(tmp_path, CHAIN), stack)
        workers = booted(server)
        callers: list[Caller] = []
        while not all(sum(c.port in remote_ports(pid) for c in callers) >= 2 for pid in workers):
            assert len(callers) < 64, "one worker takes all connections"
            callers.append(Caller(server, len(callers), stop))
        held = remote_ports(workers[0])
        victims = [caller for caller in callers if caller.port in held]
        others = [caller for caller in callers if caller.port not in held]
        with calling(server, callers, stop):
            more_answers(callers)
            os.kill(workers[0], signal.SIGKILL)
            killed = time.monotonic()
            until(lambda: server.output.count("ASGI server listening") == 3)
            assert time.monotonic() - killed < 15
            more_answers(callers)
        assert not [wrong for caller in callers for wrong in caller.wrong]
        assert [caller.broken for caller in others] == [0] * len(others)
        # One between two requests finds its connection closed and opens another.
        assert max(caller.broken for caller in victims) <= 1
        assert len(booted(server)) == 3
        # What the killed worker has counted still counts; of its last requests nobody knows whether it had: it counts
        # when the answer is out.
        counted = total(server, "scanner_scans_total")
        assert abs(counted - answered(callers)) <= len(victims)
        assert total(server, "scanner_requests_in_flight") == 0


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a file system needs root")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def fill(disk: Path) -> None:
    with (disk / "full").open("wb", buffering=0) as file:
        while shutil.disk_usage(disk).free:
            file.write(b"a" * 512)


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="without shared memory, metrics are kept on the disk")
def test_a_full_disk_stops_nothing(tmp_path: Path, tiny_disk: Path) -> None:
    environment = configured(tmp_path, CHAIN) | {"TMPDIR": str(tiny_disk)}
    with ExitStack() as stack:
        server = two_workers(tiny_disk / "log", environment, stack)
        fill(tiny_disk)
        said = server.output
        answers = [server.post("/analyze/prompt", json={"prompt": f"ATTACK {number}"}).json() for number in range(40)]
        assert [answer["is_valid"] for answer in answers] == [False] * 40
        assert total(server, "scanner_scans_total") == 40
        assert len(server.output) - len(said) < 4096  # the log itself was on that disk: its lines are lost
        assert server.process.poll() is None


def test_a_worker_that_gets_few_file_handles_takes_what_it_may_have_and_keeps_some(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 1024:
        pytest.skip("more file handles than these are needed here too")
    with ExitStack() as stack:
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))  # as little as a shell may give it
        try:
            server = stack.enter_context(running(tmp_path, configured(tmp_path, CHAIN)))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for _ in range(200):
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
        assert server.post("/analyze/prompt", json={"prompt": "ATTACK"}).json()["is_valid"] is False
        assert "out of system resource" not in server.output


@contextmanager
def with_redis(folder: Path, redis: RedisServer) -> Iterator[tuple[Server, list[Caller]]]:
    """Two workers that share a Redis, under the load of four callers."""
    stop = threading.Event()
    limits = {"requests_per_minute": 1_000_000}
    environment = configured(folder, CHAIN, limits=limits) | {"SCANNER_REDIS_URL": redis.url}
    with ExitStack() as stack:
        server = two_workers(folder, environment, stack)
        callers = [Caller(server, number, stop) for number in range(4)]
        with calling(server, callers, stop):
            until(lambda: in_use(redis))
            yield server, callers
        assert not [wrong for caller in callers for wrong in caller.wrong]
        assert not [caller.number for caller in callers if caller.broken]
        assert redis.url not in server.output
        assert server.process.poll() is None


def in_use(redis: RedisServer) -> bool:
    """Whether the service has written anything."""
    return b"scanner:" in redis.command("KEYS", "*")


def slowest(callers: list[Caller], since: list[int]) -> float:
    return max(max(caller.seconds[at:]) for caller, at in zip(callers, since, strict=True))


@pytest.mark.parametrize("fault", ["killed", "stalled"])
def test_redis_is_missed_by_nobody_and_used_again(tmp_path: Path, redis_server: RedisServer, fault: str) -> None:
    with with_redis(tmp_path / "server", redis_server) as (server, callers):
        more_answers(callers, 20)
        usual = slowest(callers, [0] * len(callers))
        failures, begun = total(server, "scanner_redis_failures_total"), [len(c.seconds) for c in callers]
        redis_server.kill() if fault == "killed" else redis_server.freeze()
        until(lambda: total(server, "scanner_redis_failures_total") >= failures + 2)
        more_answers(callers, 20)
        # A request asks twice, for its rate and for its verdict, and whoever waits for a connection waits no longer.
        assert slowest(callers, begun) < 2 * CALL_SECONDS + usual + 0.2
        if fault == "killed":
            redis_server.start()
        else:
            redis_server.thaw()
            redis_server.command("FLUSHALL")
        until(lambda: in_use(redis_server))
