"""
Where the time of a request goes: `python -m bench.latency [--repeat N] [--pause MILLISECONDS]`.

Starts the real server with the shipped policy as a child process and asks it over one connection, one request after
another, with texts of 16 to 4,096 tokens. The server counts and logs when an answer is out, so who asks again at once,
without a pause, also waits for that; after a longer one, both sides have to wake up. Medians, in milliseconds:

* tokenize, infer: the two halves of the model's work on the raw text, measured here, without the server
* scan: `Engine.scan` inside the server, with every rule of the policy and with the texts it decodes
* app: the rest of the application: credential, decoding, verdict, encoding, until the answer is handed to the server
* socket: what the caller waited beyond the application: its own side, both directions, the parser of the server
* HTTP: app and socket together
"""

from __future__ import annotations

import argparse
import os
import re
import secrets
import socket
import statistics
import tempfile
import time
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import msgspec

from bench.serving import serve
from bench.shipped import classifier
from scanner_service.asgi import Service
from scanner_service.config import DEFAULT_CONFIG
from scanner_service.engine import Engine
from scanner_service.inference.classifier import Classifier

TOKENS = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
SENTENCES = (
    "The ferry leaves the northern pier at seven and reaches the island a little before noon.",
    "Our quarterly figures improved because fewer parcels were returned than in the spring.",
    "Chop two onions, let them soften in butter, and add the rice once they turn golden.",
    "A good index makes the difference between a query of minutes and one of milliseconds.",
)

_scan_ms: ContextVar[list[float]] = ContextVar("scan_ms")


class TimedEngine:
    """Puts the time of each scan where the middleware below finds it."""

    scan = Engine.scan

    async def timed(self, *arguments: Any, **settings: Any) -> Any:
        started = time.perf_counter()
        try:
            return await TimedEngine.scan(self, *arguments, **settings)  # type: ignore[arg-type]
        finally:
            _scan_ms.get().append((time.perf_counter() - started) * 1000)


class TimedService(Service):
    """The service, with the time of the scan and of the rest of the application in the header `server-timing`."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        _scan_ms.set([])
        started = time.perf_counter()

        async def send_timed(message: Any) -> None:
            if message["type"] == "http.response.start":
                whole, scan = (time.perf_counter() - started) * 1000, sum(_scan_ms.get())
                message["headers"].append((b"server-timing", b"scan;dur=%f, app;dur=%f" % (scan, whole - scan)))
            await send(message)

        await super().__call__(scope, receive, send_timed if scope["type"] == "http" else send)


if "BENCH_LATENCY" in os.environ:  # this module is what the server loads
    Engine.scan = TimedEngine.timed  # type: ignore[assignment,method-assign]
    app = TimedService(os.environ)


@contextmanager
def serving(key: str, *, cached: bool = False) -> Iterator[int]:
    """The port of a server in a child process. Unless verdicts are *cached*, what comes again is scanned again."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as policy:
        policy.write(DEFAULT_CONFIG.read_text("utf-8") + ("" if cached else "limits: { verdict_cache_entries: 0 }\n"))
        policy.flush()
        environment = {"BENCH_LATENCY": "1", "SCANNER_CONFIG": policy.name}
        with serve(key, environment, "bench.latency:app") as server:
            yield server.port


def text_of(tokens: int, model: Classifier) -> str:
    """Prose of so many tokens, or one or two fewer."""
    words = (" ".join(SENTENCES).split() * tokens)[:tokens]  # a word has at least one token
    fitting = bisect_right(range(tokens), tokens, key=lambda count: len(model.read(" ".join(words[:count])).tokens))
    return " ".join(words[: fitting - 1])


def _received(connection: socket.socket) -> bytes:
    if not (piece := connection.recv(1 << 20)):
        raise SystemExit("the server hung up")
    return piece


def ask(connection: socket.socket, port: int, key: str, text: str, pause_ms: float) -> tuple[float, float, float]:
    """After a pause: milliseconds of the scan, of the rest of the application, and of what else the caller waited."""
    time.sleep(pause_ms / 1000)
    body = msgspec.json.encode({"prompt": text})
    head = (
        f"POST /analyze/prompt HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    started = time.perf_counter()
    connection.sendall(head.encode() + body)
    answer = _received(connection)
    while b"\r\n\r\n" not in answer:
        answer += _received(connection)
    fields, _, content = answer.partition(b"\r\n\r\n")
    length = int(re.search(rb"content-length: (\d+)", fields)[1])  # type: ignore[index]
    while len(content) < length:
        content += _received(connection)
    waited = (time.perf_counter() - started) * 1000
    if not fields.startswith(b"HTTP/1.1 200"):
        raise SystemExit(content.decode())
    scan, app = (float(value) for value in re.findall(rb";dur=([\d.]+)", fields))
    return scan, app, waited - scan - app


def timed(call: Any, *arguments: Any) -> float:
    started = time.perf_counter()
    call(*arguments)
    return (time.perf_counter() - started) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[1])
    parser.add_argument("--repeat", type=int, default=40, help="requests of each length")
    parser.add_argument("--pause", type=float, default=1.0, help="milliseconds before each (default: %(default)s)")
    options = parser.parse_args()
    repeat = options.repeat
    model = classifier()
    key = secrets.token_urlsafe(24)
    print(f"{'tokens':>6} {'windows':>7} {'tokenize':>9} {'infer':>9} {'scan':>9}", end=" ")
    print(f"{'app':>7} {'socket':>7} {'HTTP':>7} {'share of HTTP':>14}")
    with serving(key) as port, socket.create_connection(("127.0.0.1", port)) as connection:
        for wanted in TOKENS:
            text = text_of(wanted, model)
            reading = model.read(text)
            ask(connection, port, key, text, options.pause)
            answers = [ask(connection, port, key, text, options.pause) for _ in range(repeat)]
            tokenize = statistics.median(timed(model.read, text) for _ in range(repeat))
            rows = [reading.rows[at : at + 1] for at in range(len(reading.rows))]  # as the batcher does with int8
            infer = statistics.median(
                sum(timed(model.session.run, part) for part in rows) for _ in range(max(5, repeat // len(rows)))
            )
            scan, app, outside = (statistics.median(column) for column in zip(*answers, strict=True))
            http = statistics.median(app + outside for _, app, outside in answers)
            share = http / (scan + http)
            print(
                f"{len(reading.tokens):>6} {len(reading.rows):>7} {tokenize:>9.2f} {infer:>9.2f} "
                f"{scan:>9.2f} {app:>7.2f} {outside:>7.2f} {http:>7.2f} {share:>13.1%}",
                flush=True,
            )


if __name__ == "__main__":
    main()
