"""Callers of the server, for a process of their own: in turns, at a rate, and one that only asks whether it lives."""

from __future__ import annotations

import asyncio
import json
import math
import random
import re
import socket
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

WARM_UP_SECONDS = 0.5
MAX_CONNECTIONS = 700
PROBE_SECONDS = 0.02

_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts of so many *tokens* that never come twice: each of the *words* is one token."""

    words: Sequence[str]
    tokens: int

    def draw(self) -> str:
        return " ".join(random.choices(self.words, k=self.tokens))


@dataclass(slots=True)
class Seen:
    """
    What callers saw.

    Attributes:
        waited_ms: by status; 0 where the connection broke.
        seconds: during which what they saw counts.
        lasted: seconds from the first request to the last answer.
        cpu_share: of a core that they took themselves.
    """

    waited_ms: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    seconds: float = 0.0
    lasted: float = 0.0
    cpu_share: float = 0.0


def in_turns(port: int, key: str, texts: Texts, concurrency: int, seconds: float) -> Seen:
    """
    So many callers, each with a kept connection, that ask again as soon as they are answered.

    What they see counts from shortly after each of them has been answered once: before, the server has more to do than
    it answers.
    """
    return asyncio.run(_in_turns(port, key, texts, concurrency, seconds))


def at_rate(port: int, key: str, texts: Texts, rate: float, seconds: float) -> Seen:
    """
    Requests that come at random, *rate* per second, whatever becomes of those before.

    Each is timed from the moment it was due, the time of a new connection included.
    """
    return asyncio.run(_at_rate(port, key, texts, rate, seconds))


def is_alive(port: int, seconds: float) -> list[float]:
    """Milliseconds of `/healthz`, each time over a new connection, as a kubelet asks."""
    waited, end = [], time.perf_counter() + seconds
    while (started := time.perf_counter()) < end:
        with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: bench\r\n\r\n")
            if not connection.recv(65536).startswith(b"HTTP/1.1 200"):
                raise SystemExit("the server is not alive")
        waited.append((time.perf_counter() - started) * 1000)
        time.sleep(max(0.0, started + PROBE_SECONDS - time.perf_counter()))
    return waited


class Connection:
    """
    One kept connection.

    Attributes:
        kept: whether the server has not said that it hangs up.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.kept = True

    @classmethod
    async def open(cls, port: int) -> Connection:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def ask(self, request: bytes) -> int:
        """
        The status of the answer.

        Raises:
            EOFError, OSError: if the server hung up.
        """
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        self.kept = b"\r\nconnection: close" not in head.lower()
        if found := _LENGTH.search(head):
            await self._reader.readexactly(int(found[1]))
        else:  # an answer in pieces, as streams are
            while await self._reader.readuntil(b"\r\n") != b"0\r\n":
                pass
            await self._reader.readuntil(b"\r\n")
        return int(head.split()[1])

    async def abandon(self, request: bytes) -> None:
        """
        Send *request* and hang up.

        Raises:
            EOFError: always: the connection is of no more use.
        """
        self._writer.write(request)
        await self._writer.drain()
        self.close()
        raise EOFError

    def close(self) -> None:
        self._writer.close()


def post(path: str, key: str, body: object) -> bytes:
    """A request; *body* is sent as it is if it is bytes."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    media_type = "application/x-ndjson" if path.endswith("/stream") else "application/json"
    head = f"POST {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {key}\r\nContent-Type: {media_type}\r\n"
    return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content


async def _in_turns(port: int, key: str, texts: Texts, concurrency: int, seconds: float) -> Seen:
    seen = Seen()
    connections = []
    for _ in range(concurrency):  # one after another, so that each worker may take some
        connections.append(await Connection.open(port))
        await connections[-1].ask(b"GET /healthz HTTP/1.1\r\nHost: bench\r\n\r\n")
    begin, new = math.inf, concurrency

    async def caller(connection: Connection) -> None:
        nonlocal begin, new
        await connection.ask(post("/analyze/prompt", key, {"prompt": texts.draw()}))
        new -= 1
        if not new:
            begin = time.perf_counter() + WARM_UP_SECONDS
        while (started := time.perf_counter()) < begin + seconds:
            status = await connection.ask(post("/analyze/prompt", key, {"prompt": texts.draw()}))
            if begin <= time.perf_counter() < begin + seconds:
                seen.waited_ms[status].append((time.perf_counter() - started) * 1000)

    cpu, first = time.process_time(), time.perf_counter()
    await asyncio.gather(*map(caller, connections))
    seen.seconds, seen.lasted = seconds, time.perf_counter() - first
    seen.cpu_share = (time.process_time() - cpu) / seen.lasted
    for connection in connections:
        connection.close()
    return seen


async def _at_rate(port: int, key: str, texts: Texts, rate: float, seconds: float) -> Seen:
    seen, opened = Seen(), 0
    idle: list[Connection] = []

    async def call(due: float) -> None:
        nonlocal opened
        try:
            if not idle:
                opened += 1
            connection = idle.pop() if idle else await Connection.open(port)
            status = await connection.ask(post("/analyze/prompt", key, {"prompt": texts.draw()}))
        except (EOFError, OSError):
            status, opened = 0, opened - 1
        else:
            if connection.kept:
                idle.append(connection)
            else:
                opened -= 1
        seen.waited_ms[status].append((time.perf_counter() - due) * 1000)

    cpu = time.process_time()
    due = begin = time.perf_counter()
    async with asyncio.TaskGroup() as calls:
        while (due := due + random.expovariate(rate)) < begin + seconds:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            if idle or opened < MAX_CONNECTIONS:
                calls.create_task(call(due))
            else:
                seen.waited_ms[0].append(0.0)
    seen.seconds = seen.lasted = time.perf_counter() - begin
    seen.cpu_share = (time.process_time() - cpu) / seen.lasted
    for connection in idle:
        connection.close()
    return seen
