"""What every request gets: an id, headers, a place in the metrics, a line in the log, and an answer even to a bug."""

from __future__ import annotations

import asyncio
import logging
import random
import re
from collections.abc import Collection
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from scanner_service.errors import CallerGone
from scanner_service.http.errors import response_to, status_of
from scanner_service.http.exchange import SERVICE, Exchange
from scanner_service.logs import log_failure
from scanner_service.metrics import Metrics
from scanner_service.trace_parent import read_trace_parent
from scanner_service.traces import Outcome

if TYPE_CHECKING:
    from scanner_service.spans import Spans, Trace

log = logging.getLogger(__name__)

# A body that nobody wants is read for so long: closing at once would reset the connection, and the caller,
# still sending, would never see why.
LINGER_SECONDS = 1.0

# The spans of more than these take longer to make than the event loop should be away from everybody else.
FEW_SCANS = 4

_SANE_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")

# The server would otherwise name itself and its version.
_HEADERS = [(b"server", b"scanner-service"), (b"x-content-type-options", b"nosniff")]


class Envelope:
    """
    Middleware around everything else.

    Args:
        app: what answers.
        metrics: what counts.
        routes: the paths that there are; others are counted together.
        retry_after_seconds: what a refused caller is told to wait.
        spans: what sends traces, if anything.
        traced: the routes whose requests are traced.
    """

    def __init__(
        self,
        app: ASGIApp,
        metrics: Metrics,
        routes: Collection[str],
        retry_after_seconds: int,
        *,
        spans: Spans | None = None,
        traced: Collection[str] = (),
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._routes = frozenset(routes)
        self._retry_after_seconds = retry_after_seconds
        self._spans = spans
        self._traced = frozenset(traced)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        here = scope[SERVICE] = self._begin(scope)
        body = _Body(scope, receive)

        async def send_enveloped(message: Message) -> None:
            if message["type"] == "http.response.start":
                here.status = message["status"]
                message["headers"] = [*message["headers"], *_HEADERS, (b"x-request-id", here.request_id.encode())]
                if b"cache-control" not in dict(message["headers"]):
                    message["headers"].append((b"cache-control", b"no-store"))
            elif scope["method"] == "HEAD":
                message = {**message, "body": b""}
            await send(message)

        try:
            await self._app(scope, body.receive, send_enveloped)
        except asyncio.CancelledError:  # by the server, some time after the caller hung up
            here.code, here.status = CallerGone.code, here.status or status_of(CallerGone())
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets an answer and the log no text
            here.code = "internal_error"
            log_failure(log, "could not answer", error, **here.ids)
            if here.status:
                raise ConnectionAbortedError from None  # half an answer is out: the server must hang up
            response = response_to(error, here.request_id, scope["path"], self._retry_after_seconds)
            await response(scope, body.receive, send_enveloped)
        finally:  # when the answer is out: nobody waits for counters
            self._count(here)
            self._conclude(scope, here)
            if here.trace is not None:
                await _end(here.trace, here.outcome())
        await body.linger()

    def _begin(self, scope: Scope) -> Exchange:
        parent = read_trace_parent(scope["headers"])
        if self._spans is None or scope["method"] != "POST" or scope["path"] not in self._traced:
            return Exchange(_request_id(scope), parent.trace_id if parent else "")
        trace = self._spans.begin(scope["path"], parent)
        return Exchange(_request_id(scope), trace.id, trace=trace)

    def _count(self, here: Exchange) -> None:
        if here.policy is not None:
            for scan in here.scans:
                self._metrics.count(here.policy.name, scan)

    def _conclude(self, scope: Scope, here: Exchange) -> None:
        seconds = here.watch.seconds
        route = scope["path"] if scope["path"] in self._routes else "other"
        self._metrics.requests.labels(route, str(here.status)).observe(seconds)
        self._metrics.count_stages(here.watch.stages)
        if scope["method"] == "POST" or here.status >= 400:
            log.info(
                "answered",
                extra={
                    **here.ids,
                    "route": route,
                    "status": here.status,
                    "code": here.code,
                    "caller": here.caller,
                    "duration_ms": round(seconds * 1000, 3),
                },
            )


class _Body:
    """The receiving end of a request, which knows whether the caller still has something to say."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        names = dict(scope["headers"])
        self._receive = receive
        self._pending = (
            names.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in names
        ) and b"expect" not in names  # who asks first does not send after a refusal

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            self._pending = False
        return message

    async def linger(self) -> None:
        """Read, for a while, what was sent and not wanted."""
        if self._pending:
            try:
                async with asyncio.timeout(LINGER_SECONDS):
                    while self._pending:
                        await self.receive()
            except TimeoutError:
                pass


async def _end(trace: Trace, outcome: Outcome) -> None:
    if len(outcome.scans) <= FEW_SCANS:
        trace.end(outcome)
    else:
        await asyncio.to_thread(trace.end, outcome)


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _SANE_ID.fullmatch(value):
            return str(value, "ascii")
    # No secret. Asking the system for it would let go of the interpreter, which other threads then hold for a while.
    return f"{random.getrandbits(128):032x}"
