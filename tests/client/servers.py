"""A server that misbehaves on purpose, over real sockets."""

from __future__ import annotations

import json
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

VALID = {"is_valid": True, "blocked": False, "scanners": {"prompt_injection": -0.9}, "sanitized_prompt": "fine"}
INVALID = {"is_valid": False, "blocked": True, "scanners": {"prompt_injection": 0.97}, "sanitized_prompt": ""}

DROP = b""
HANG = None


class Drip(bytes):
    """Bytes that are sent at once up to the mark `|`, and behind it one by one."""


def response(body: object, status: int = 200, headers: str = "", *, cut: int = 0) -> bytes:
    """An HTTP response as bytes; *cut* promises that many bytes more than come."""
    content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    head = f"HTTP/1.1 {status} Whatever\r\ncontent-length: {len(content) + cut}\r\n{headers}\r\n"
    return head.encode() + content


def error(status: int, code: str, headers: str = "") -> bytes:
    """An error as the service spells it: readable as "invalid" by software that ignores the status."""
    said = {"code": code, "message": "said so"}
    return response(INVALID | {"scanners": {}, "error": said, "request_id": "r-1"}, status, headers)


@dataclass
class Scripted:
    """
    Answers one request after the other with what the script says; the last line is repeated.

    Attributes:
        bodies: what was sent.
        connections: how many were made.
    """

    script: list[bytes | None]
    port: int = 0
    connections: int = 0
    bodies: list[dict[str, object]] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def next(self) -> bytes | None:
        with self.lock:
            return self.script.pop(0) if len(self.script) > 1 else self.script[0]


@contextmanager
def scripted(*script: bytes | None) -> Iterator[Scripted]:
    """A server on a free port that follows *script*: bytes to send, `DROP` to close, `HANG` to say nothing."""
    told = Scripted(list(script))

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            told.connections += 1
            while head := self._head():
                length = int(next(line for line in head if line.lower().startswith("content-length")).split(":")[1])
                told.bodies.append(json.loads(self.rfile.read(length)))
                told.heads.append("\n".join(head))
                answer = told.next()
                if answer is HANG:
                    told.stop.wait(20)
                if not answer:
                    return
                at_once, _, rest = answer.partition(b"|") if isinstance(answer, Drip) else (answer, b"", b"")
                self.wfile.write(at_once)
                for byte in rest:
                    time.sleep(0.02)
                    self.wfile.write(bytes([byte]))
                if b"connection: close" in answer:
                    return

        def _head(self) -> list[str]:
            lines = []
            while (line := self.rfile.readline().decode().strip()) or not lines:
                if not line:
                    return []
                lines.append(line)
            return lines

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True
        block_on_close = False

        def handle_error(self, request: object, client_address: object) -> None:
            """Callers that leave are what some tests are about."""

    with Server(("127.0.0.1", 0), Handler) as server:
        told.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield told
        finally:
            told.stop.set()
            server.shutdown()
