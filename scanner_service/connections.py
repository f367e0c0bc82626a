"""What gunicorn's own protocol leaves open: how many connections a worker keeps, and how long one may say nothing."""

from __future__ import annotations

import asyncio
from typing import Any

from gunicorn.asgi.protocol import ASGIProtocol  # type: ignore[import-untyped]

# From the connection to the end of the first header. Later headers have the time that a connection may be idle.
HEADER_SECONDS = 5.0


class BoundedProtocol(ASGIProtocol):  # type: ignore[misc]
    """
    gunicorn's protocol with two bounds, without which a caller that has no credential could use up every file handle.

    It hangs up on connections over `worker_connections`, which the `asgi` worker does not look at, and on those whose
    first header has not arrived after `HEADER_SECONDS`. It relies on names inside gunicorn; `tests/e2e` would tell.
    """

    def connection_made(self, transport: Any) -> None:
        """Count the connection, and start the clock."""
        super().connection_made(transport)
        if self.worker.nr_conns > self.worker.worker_connections:
            transport.abort()
            return
        self._patience: asyncio.TimerHandle = self.worker.loop.call_later(HEADER_SECONDS, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        if hasattr(self, "_patience"):
            self._patience.cancel()
        super().connection_lost(exc)

    def _give_up(self) -> None:
        if self.req_count <= 1 and self._current_request is None:
            self._keepalive_timeout()
