"""One OpenTelemetry trace for each scanning request, sent over OTLP/HTTP. Needs the extra `otlp`."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    Tracer,
    set_span_in_context,
)
from opentelemetry.util.types import AttributeValue

from scanner_service import logs
from scanner_service.errors import ConfigError
from scanner_service.release import VERSION
from scanner_service.stages import Stage
from scanner_service.trace_parent import TraceParent
from scanner_service.traces import Outcome, Scanned

NAME = "scanner-service"
FLUSH_SECONDS = 3.0  # what a collector that does not answer may delay the end of a worker


class Spans:
    """
    Makes and sends spans. A thread collects and sends them, so make it in the worker, after the fork.

    The SDK reads where to, what and how from the standard variables in the environment of the process.

    Raises:
        ConfigError: if a variable has a value that the SDK does not take.
    """

    def __init__(self) -> None:
        logs.quieten("opentelemetry")
        try:
            # At exit it would wait for the collector, for half a minute.
            self._provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
            self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        except ValueError as error:
            raise ConfigError(f"the variables of OpenTelemetry: {error}") from None
        self._tracer = self._provider.get_tracer(NAME)

    def begin(self, route: str, parent: TraceParent | None) -> Trace:
        """The trace of a request that has just come in, inside *parent* if there is one."""
        attributes = {"http.request.method": "POST", "http.route": route}
        span = self._tracer.start_span(f"POST {route}", _around(parent), SpanKind.SERVER, attributes)
        return Trace(self._tracer, span)

    async def aclose(self) -> None:
        """Send what is left, for at most `FLUSH_SECONDS`."""
        # A thread of its own: one that still waits for the collector must not keep the process from ending.
        flush = threading.Thread(target=self._provider.shutdown, name="flush", daemon=True)
        flush.start()
        await asyncio.to_thread(flush.join, FLUSH_SECONDS)


class Trace:
    """What is sent about one request; `Spans.begin` makes it."""

    def __init__(self, tracer: Tracer, span: Span) -> None:
        self._tracer = tracer
        self._span = span

    @property
    def id(self) -> str:
        """32 hexadecimal digits; those of the caller if it has sent some."""
        return f"{self._span.get_span_context().trace_id:032x}"

    def end(self, outcome: Outcome) -> None:
        """Tell what the request came to. What happened on the way becomes spans only now."""
        if not self._span.is_recording():
            return
        self._span.set_attributes(_of_request(outcome))
        if outcome.status >= 500:
            self._span.set_status(StatusCode.ERROR)
        inside = set_span_in_context(self._span, Context())
        self._add(outcome.stages, inside)
        for scanned in outcome.scans:
            started = min((stage.started_ns for stage in scanned.stages), default=time.time_ns())
            scan = self._tracer.start_span("scan", inside, attributes=_of_scan(scanned), start_time=started)
            self._add(scanned.stages, set_span_in_context(scan, Context()))
            scan.end(max((stage.ended_ns for stage in scanned.stages), default=started))
        self._span.end()

    def _add(self, stages: Sequence[Stage], inside: Context) -> None:
        for stage in stages:
            self._tracer.start_span(stage.name, inside, start_time=stage.started_ns).end(stage.ended_ns)


def _resource() -> Resource:
    own = {SERVICE_NAME: NAME, SERVICE_VERSION: VERSION}
    return Resource.create({**own, **OTELResourceDetector().detect().attributes})  # what the operator says goes


def _around(parent: TraceParent | None) -> Context:
    if parent is None:
        return Context()
    flags = TraceFlags(TraceFlags.SAMPLED if parent.sampled else TraceFlags.DEFAULT)
    context = SpanContext(int(parent.trace_id, 16), int(parent.span_id, 16), is_remote=True, trace_flags=flags)
    return set_span_in_context(NonRecordingSpan(context), Context())


def _of_request(outcome: Outcome) -> dict[str, AttributeValue]:
    attributes: dict[str, AttributeValue] = {
        "http.response.status_code": outcome.status,
        "scanner.request_id": outcome.request_id,
    }
    named = {
        "error.type": outcome.code,
        "scanner.caller": outcome.caller,
        "scanner.policy": outcome.policy,
        "scanner.policy_digest": outcome.policy_digest,
    }
    if outcome.scans:
        named["scanner.verdict"] = _verdict(*outcome.scans)
    return attributes | {name: value for name, value in named.items() if value}


def _of_scan(scanned: Scanned) -> dict[str, AttributeValue]:
    attributes: dict[str, AttributeValue] = {
        "scanner.direction": scanned.direction,
        "scanner.verdict": _verdict(scanned),
        "scanner.triggered": [one.scanner for one in scanned.results if one.triggered],
    }
    for one in scanned.results:
        if one.score is not None:
            attributes[f"scanner.score.{one.scanner}"] = one.score
        elif one.error is not None:
            attributes[f"scanner.error.{one.scanner}"] = one.error
    return attributes


def _verdict(*scans: Scanned) -> str:
    return "valid" if all(scanned.is_valid for scanned in scans) else "blocked"
