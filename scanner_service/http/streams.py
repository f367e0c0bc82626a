"""`/analyze/output/stream`: an output that is answered while it is still being sent, line by line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from functools import partial

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from scanner_service.config import Config
from scanner_service.errors import CallerGone, InvalidRequest, Malformed, ScannerServiceError
from scanner_service.http import strict_json, verdicts, wire
from scanner_service.http.auth import Caller
from scanner_service.http.decisions import recorded
from scanner_service.http.errors import answer_to
from scanner_service.http.exchange import Exchange, exchange
from scanner_service.http.limits import Body, check_media_type
from scanner_service.http.permits import choose_policy, permitted
from scanner_service.http.resources import Resources, Served
from scanner_service.policy import Policy
from scanner_service.stream import StreamScanner
from scanner_service.substitutes import MANY_KNOWN
from scanner_service.traces import Scanned

NDJSON = "application/x-ndjson"
EVENTS = "text/event-stream"


class Streams:
    """
    Answers `/analyze/output/stream`.

    Args:
        resources: what it works with.
    """

    def __init__(self, resources: Resources) -> None:
        self._on = resources

    async def analyze_output(self, request: Request) -> Response:
        """`POST /analyze/output/stream`"""
        here = exchange(request.scope)
        served = self._on.served()
        caller = served.keys.authenticate(request.headers.raw)
        here.caller = caller.name
        await self._on.rates.take(caller.name)
        return _LineResponse(self._answer(request, served, caller, here), _events_wanted(request))

    async def _answer(
        self, request: Request, served: Served, caller: Caller, here: Exchange
    ) -> AsyncGenerator[bytes, None]:
        """The lines of the answer; an error before the first one is an ordinary error."""
        with self._on.admission.admit(), self._on.metrics.in_flight.track_inprogress():
            check_media_type(request.headers, NDJSON)
            lines = _lines(request.receive, self._on.config)
            with _in_line(1):
                head = await strict_json.decode_aside(await anext(lines, b""), wire.StreamHead)
            policy, scanner = await self._begin(head, served, caller)
            here.policy = policy
            pieces: list[str] = []  # only the audit log needs the whole text
            recording = recorded(
                self._on.audit,
                here,
                policy,
                route=request.scope["path"],
                direction="output",
                text=lambda: "".join(pieces),
            )
            async with recording as outcome:
                number = 1
                async for line in lines:
                    number += 1
                    with _in_line(number):
                        delta = (await strict_json.decode_aside(line, wire.Delta)).delta
                        strict_json.check_text(delta, "$.delta", may_be_empty=True)
                    if self._on.audit is not None:
                        pieces.append(delta)
                    if text := await scanner.feed(delta):
                        yield await strict_json.encode_aside(wire.Shown(text), len(text))
                    if scanner.blocked:
                        break
                else:
                    if text := await scanner.close():
                        yield await strict_json.encode_aside(wire.Shown(text), len(text))
                outcome.result = result = scanner.result
            here.scans.append(Scanned("output", result.results, result.stages))
            yield await verdicts.encoded(lambda: verdicts.verdict(result, policy, here.request_id), result)

    async def _begin(self, head: wire.StreamHead, served: Served, caller: Caller) -> tuple[Policy, StreamScanner]:
        strict_json.check_text(head.prompt, "$.prompt", may_be_empty=True)
        policy = choose_policy(served.policies, served.default_policy, head.policy, caller)
        rules = await permitted(policy.output, head)
        known = await self._on.vault.open_aside(head.vault, caller.name) if head.vault is not None else {}
        key = self._on.vault.substitutes_key
        make = partial(StreamScanner, self._on.engine, rules, prompt=head.prompt, known=known, key=key)
        return policy, make() if len(known) <= MANY_KNOWN else await asyncio.to_thread(make)


@dataclass(slots=True)
class _LineResponse(Response):
    """
    A response whose lines are sent as they come, while the request may still be arriving.

    An error behind the first line becomes the last line: the status is out by then, and a caller that misses a verdict
    must know that there is none.
    """

    lines: AsyncGenerator[bytes, None]
    as_events: bool

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self.lines):  # whatever ends it, what the lines hold is let go at once
            await self._send_lines(scope, send)

    async def _send_lines(self, scope: Scope, send: Send) -> None:
        first = await anext(self.lines)  # raises what can still be an ordinary error
        here = exchange(scope)
        media_type = EVENTS if self.as_events else NDJSON
        await send(_start(media_type))
        try:
            await send(self._line(first))
            async for line in self.lines:
                await send(self._line(line))
        except CallerGone:
            here.code = CallerGone.code
            return
        except ScannerServiceError as error:
            failed = answer_to(error, here.request_id)
            here.code = failed.error.code
            await send(self._line(msgspec.json.encode(failed)))
        await send({"type": "http.response.body", "body": b""})

    def _line(self, line: bytes) -> Message:
        body = b"data: " + line + b"\n\n" if self.as_events else line + b"\n"
        return {"type": "http.response.body", "body": body, "more_body": True}


def _start(media_type: str) -> Message:
    headers = [(b"content-type", media_type.encode()), (b"x-accel-buffering", b"no")]
    return {"type": "http.response.start", "status": 200, "headers": headers}


@contextmanager
def _in_line(number: int) -> Iterator[None]:
    """A block whose errors say which of the lines that are not blank is meant."""
    try:
        yield
    except (InvalidRequest, Malformed) as error:
        raise type(error)(f"line {number}: {error}") from None


def _events_wanted(request: Request) -> bool:
    return EVENTS in request.headers.get("accept", "")


async def _lines(receive: Receive, config: Config) -> AsyncIterator[bytes]:
    """The lines of a body as they arrive, without blank ones and without their ends."""
    body = Body(receive, config.limits.max_body_bytes)
    line = bytearray()
    while not body.complete:
        piece = await body.read(config.body_timeout_seconds)
        await asyncio.sleep(0)  # to read what has arrived already gives nobody else a turn
        *ends, rest = piece.split(b"\n")
        for end in ends:
            line += end
            if line.strip():
                yield bytes(line)
            line.clear()
        line += rest
    if line.strip():
        yield bytes(line)
