"""What operators and machines ask: is it alive, is it ready, what has it counted, what is it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response

from scanner_service.http.auth import Keys
from scanner_service.http.wire import json_response
from scanner_service.metrics import Metrics
from scanner_service.release import VERSION


class Health:
    """
    Answers the endpoints that scan nothing.

    Args:
        ready: whether the models are loaded and tested and the worker is not shutting down.
        metrics: what has been counted.
        keys: asked before the metrics are shown, if given.
    """

    def __init__(self, ready: Callable[[], bool], metrics: Metrics, keys: Callable[[], Keys] | None) -> None:
        self._ready = ready
        self._metrics = metrics
        self._keys = keys

    async def root(self, request: Request) -> Response:
        """`GET /`"""
        return json_response({"name": "scanner-service", "version": VERSION})

    async def healthz(self, request: Request) -> Response:
        """`GET /healthz`: the event loop turns."""
        return json_response({"status": "alive"})

    async def readyz(self, request: Request) -> Response:
        """`GET /readyz`: a scan sent now would be answered."""
        if self._ready():
            return json_response({"status": "ready"})
        return json_response({"status": "not ready"}, 503)

    async def metrics(self, request: Request) -> Response:
        """`GET /metrics`"""
        if self._keys is not None:
            self._keys().authenticate(request.headers.raw)
        # In a thread: with several workers this reads a file of each.
        content = await asyncio.to_thread(self._metrics.expose)
        return Response(content, headers={"content-type": CONTENT_TYPE_LATEST})
