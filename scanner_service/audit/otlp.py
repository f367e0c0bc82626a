"""Events as log records of OpenTelemetry, sent to a collector over HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from scanner_service import logs
from scanner_service.audit.event import Event
from scanner_service.errors import ConfigError

if TYPE_CHECKING:
    from opentelemetry.sdk._logs import ReadableLogRecord
    from requests import Response

TIMEOUT_SECONDS = 4.0  # of sending events, with all that is tried again; less than a request waits for its event
EVENT_NAME = "scanner.decision"


class Otlp:
    """
    Sends to the collector that `OTEL_EXPORTER_OTLP_ENDPOINT` names, or `OTEL_EXPORTER_OTLP_LOGS_ENDPOINT`.

    Raises:
        ConfigError: if the extra `otlp` is not installed, or a variable has a value that it does not take.
    """

    def __init__(self) -> None:
        try:
            import requests
            from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
            from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
        except ImportError:
            raise ConfigError("`$.audit.to`: `otlp` needs OpenTelemetry: pip install '.[otlp]'") from None
        logs.quieten("opentelemetry")
        self._resource = Resource({SERVICE_NAME: "scanner-service"}).merge(OTELResourceDetector().detect())
        session = requests.Session()
        session.hooks["response"].append(_refuse_redirect)
        try:
            self._exporter = OTLPLogExporter(timeout=TIMEOUT_SECONDS, session=session)
        except ValueError as error:
            raise ConfigError(f"the variables of OpenTelemetry: {error}") from None

    def write(self, events: Sequence[Event]) -> None:
        """See `sinks.Sink`."""
        from opentelemetry.sdk._logs.export import LogRecordExportResult

        if events and self._exporter.export([self._record(event) for event in events]) != LogRecordExportResult.SUCCESS:
            raise OSError("the collector did not take the events")

    def close(self) -> None:
        """See `sinks.Sink`."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]

    def _record(self, event: Event) -> ReadableLogRecord:
        from opentelemetry._logs import LogRecord, SeverityNumber
        from opentelemetry.sdk._logs import ReadableLogRecord

        at = round(datetime.fromisoformat(event.time).timestamp() * 1000) * 1_000_000
        record = LogRecord(
            timestamp=at,
            observed_timestamp=at,
            trace_id=int(event.trace_id, 16) if event.trace_id else None,
            severity_number=SeverityNumber.INFO,
            severity_text="INFO",
            body=msgspec.to_builtins(event),
            attributes={"event.name": EVENT_NAME},
        )
        return ReadableLogRecord(record, self._resource)


def _refuse_redirect(response: Response, **_: object) -> None:
    # The exporter follows none, but takes it for success.
    if 300 <= response.status_code < 400:
        response.close()
        raise OSError("the collector sends events elsewhere")
