"""What gunicorn's own protocol leaves open: how many connections a worker keeps, and what one may take and hold."""

from __future__ import annotations

import asyncio
from typing import Any

from gunicorn.asgi.parser import ParseError  # type: ignore[import-untyped]
from gunicorn.asgi.protocol import ASGIProtocol  # type: ignore[import-untyped]

# From the connection to the end of the first header. Later headers have the time that a connection may be idle.
HEADER_SECONDS = 5.0

# From when an answer is more than the system takes at once until most of it is out, and from the end of a connection
# until the rest is. What nobody reads is kept in memory.
UNREAD_SECONDS = 20.0

# What may be read at once, and what may wait. Of pipelined requests it all becomes answers, nine times as long, before
# anybody looks whether the caller takes them; with gunicorn's 256 KiB a connection held 2.7 MiB.
HELD_BYTES = 16_384

# A piece of a body costs fifty bytes and some microseconds besides its own, and the limits of a body count only those.
# So where there are many, they must not be tiny; the shortest line of a stream has 14 bytes.
MANY_PIECES = 1024
MIN_PIECE_BYTES = 8


class PromisedWorker:
    """
    A worker as one connection sees it: alive as long as the connection has been promised to be kept.

    gunicorn looks whether its worker is alive when it announces that a connection is kept, and again before it waits
    for the next request. A `SIGTERM` between the two would close a connection on which that request may be under way.

    Attributes:
        promised: whether the last answer said that the connection is kept, and nothing was asked since.
    """

    __slots__ = ("_worker", "promised")

    def __init__(self, worker: Any) -> None:
        object.__setattr__(self, "_worker", worker)
        object.__setattr__(self, "promised", False)

    @property
    def alive(self) -> bool:
        """As above."""
        return self.promised or bool(self._worker.alive)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._worker, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "promised":
            object.__setattr__(self, name, value)
        else:
            setattr(self._worker, name, value)


class BoundedProtocol(ASGIProtocol):  # type: ignore[misc]
    """
    gunicorn's protocol with five bounds, without which a caller that has no credential could use up every file handle,
    or the memory.

    It hangs up on connections over `worker_connections`, which the `asgi` worker does not look at, on those whose first
    header has not arrived after `HEADER_SECONDS`, on those whose bodies come in many tiny pieces, and on those that
    leave an answer unread for `UNREAD_SECONDS`; and it holds less of each. And what it promised to keep it keeps, also
    when its worker is told to stop: the next answer is the last, and says so. It relies on names inside gunicorn and
    asyncio; `tests/e2e` would tell.
    """

    _pieces = 0
    _bytes = 0
    _unread: asyncio.TimerHandle | None = None

    def __init__(self, worker: Any) -> None:
        super().__init__(worker)
        self.worker = PromisedWorker(worker)

    def connection_made(self, transport: Any) -> None:
        """Count the connection, and start the clock."""
        super().connection_made(transport)
        self._max_buffer_size = transport.max_size = HELD_BYTES
        if self.worker.nr_conns > self.worker.worker_connections:
            transport.abort()
            return
        self._patience: asyncio.TimerHandle = self.worker.loop.call_later(HEADER_SECONDS, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clocks."""
        if hasattr(self, "_patience"):
            self._patience.cancel()
        if self._unread is not None:
            self._unread.cancel()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Start another clock: the answer has to be read."""
        super().pause_writing()
        self._wait_to_be_read()

    def resume_writing(self) -> None:
        """Stop it again, unless the connection only waits for the rest to be read."""
        super().resume_writing()
        if self._unread is not None and not self.transport.is_closing():
            self._unread.cancel()
            self._unread = None

    def _close_transport(self) -> None:
        super()._close_transport()
        if self.transport.get_write_buffer_size():
            self._wait_to_be_read()

    def _wait_to_be_read(self) -> None:
        if self._unread is None:
            self._unread = self.worker.loop.call_later(UNREAD_SECONDS, self.transport.abort)

    async def _handle_connection(self) -> None:
        try:
            await super()._handle_connection()
        finally:
            # They hold this protocol as it holds them, so each closed connection would stay until Python next looks
            # for garbage; and the more there are, the longer everybody waits for that look.
            self._callback_parser = self._body_receiver = None

    async def _serve_http_request(self, *arguments: Any) -> Any:
        self.worker.promised = False
        return await super()._serve_http_request(*arguments)

    def _send_response_start(self, *arguments: Any, close: bool = False) -> None:
        self.worker.promised = not close
        super()._send_response_start(*arguments, close=close)

    def _on_body(self, chunk: bytes) -> None:
        self._pieces += 1
        self._bytes += len(chunk)
        if self._pieces > MANY_PIECES and self._bytes < self._pieces * MIN_PIECE_BYTES:
            raise ParseError("the pieces of the body are too small")
        super()._on_body(chunk)

    def _give_up(self) -> None:
        if self.req_count <= 1 and self._current_request is None:
            self._keepalive_timeout()
