"""
What the client costs over bare `httpx2`, and whether one client bears 64 threads.

    python bench/client.py [--requests 10000] [--threads 64] [--url URL]

Without a URL, a process of its own answers every request with one fixed, typical answer, so that only the two clients
differ. Both are measured in turns, and the middle of the turns counts: the machine may be busy with other things.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx2

from scanner_client import Client

TURNS = 5
PROMPT = "Write a Python function to calculate the factorial of a number. " * 4

SERVER = r"""
import asyncio, json
result = {"kind": "classifier", "score": 0.01, "threshold": 0.7, "triggered": False, "action": "allow", "findings": [],
          "error": None, "duration_ms": 2.9}
names = ["length", "prompt_injection", "toxicity", "pii", "secrets", "invisible_text"]
body = json.dumps({"is_valid": True, "blocked": False, "message": "", "scanners": dict.fromkeys(names, -0.98),
    "results": [{"scanner": name} | result for name in names], "policy": "default", "policy_digest": "0" * 16,
    "request_id": "r", "sanitized_prompt": PROMPT, "vault": None}).encode()
answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body

async def serve(reader, writer):
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            writer.write(answer)
    except asyncio.IncompleteReadError:
        writer.close()

async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
"""


@dataclass(frozen=True, slots=True)
class Turn:
    """
    One run of many requests.

    Attributes:
        wall_ms: of the run, for each request.
        cpu_ms: of this process, for each request.
        errors: requests that raised.
    """

    wall_ms: float
    cpu_ms: float
    errors: int


def run(call: Callable[[], object], requests: int, threads: int) -> Turn:
    """Make *requests* calls from *threads*."""
    errors: list[Exception] = []

    def work(count: int) -> None:
        for _ in range(count):
            try:
                call()
            except Exception as error:  # noqa: BLE001 - counted
                errors.append(error)

    counts = [requests // threads + (index < requests % threads) for index in range(threads)]
    workers = [threading.Thread(target=work, args=(count,)) for count in counts]
    wall, cpu = time.perf_counter(), time.process_time()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Turn(wall / requests * 1000, cpu / requests * 1000, len(errors))


@contextmanager
def fixed_server() -> Iterator[str]:
    """A server that always says the same."""
    code = SERVER.replace("PROMPT", repr(PROMPT))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.terminate()


def compare(url: str, requests: int, threads: int) -> dict[str, object]:
    """Both clients, in turns; *requests* for each of them in all."""
    key = os.environ.get("SCANNER_API_KEY", "")
    headers = {"authorization": f"Bearer {key}"} if key else {}
    body = json.dumps({"prompt": PROMPT}).encode()
    limits = httpx2.Limits(max_connections=1000, max_keepalive_connections=1000)
    with Client(url, key, max_retries=0) as client, httpx2.Client(limits=limits, headers=headers) as bare:

        def ask_bare() -> None:
            options = {"headers": {"content-type": "application/json"}, "timeout": 10.0}
            response = bare.post(url + "/analyze/prompt", content=body, **options)
            assert response.json()["is_valid"]

        def ask_client() -> None:
            assert client.analyze_prompt(PROMPT).is_valid

        for call in (ask_bare, ask_client):
            run(call, 4 * threads, threads)  # connections are made, code is warm
        share = requests // TURNS
        pairs = [(run(ask_bare, share, threads), run(ask_client, share, threads)) for _ in range(TURNS)]
        connections = client._http()._transport._pool.connections  # type: ignore[attr-defined]
        return {
            "threads": threads,
            "requests": share * TURNS,
            "errors": sum(ours.errors for _, ours in pairs),
            "connections": len(connections),
            "connections_in_use": sum(not connection.is_idle() for connection in connections),
            "bare_wall_ms": statistics.median(bare.wall_ms for bare, _ in pairs),
            "client_wall_ms": statistics.median(ours.wall_ms for _, ours in pairs),
            "overhead_wall_ms": statistics.median(ours.wall_ms - bare.wall_ms for bare, ours in pairs),
            "overhead_cpu_ms": statistics.median(ours.cpu_ms - bare.cpu_ms for bare, ours in pairs),
            "retries": client.usage.as_dict()["retries"],
        }


def main() -> None:
    """Print one line of JSON for one thread, and one for many."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--threads", type=int, default=64)
    parser.add_argument("--url", help="of a service, with its key in SCANNER_API_KEY")
    options = parser.parse_args()
    with fixed_server() as fixed:
        for threads in (1, options.threads):
            told = compare(options.url or fixed, options.requests, threads)
            print(json.dumps({k: round(v, 3) if isinstance(v, float) else v for k, v in told.items()}))


if __name__ == "__main__":
    main()
