import sys

import msgspec
import pytest

from scanner_service.audit.event import event_of
from scanner_service.audit.otlp import Otlp
from scanner_service.audit.sinks import open_sink
from scanner_service.config import OtlpAudit
from scanner_service.errors import ConfigError
from tests.audit.collector import collecting, plain

KEY = b"a key of the tests of the audit log"


@pytest.fixture
def collector(monkeypatch):
    with collecting() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        yield collector


def test_events_arrive_as_log_records_with_all_their_fields(collector, decide):
    events = [event_of(decide(trace_id="0af7651916cd43dd8448eb211c80319c", item=at), KEY) for at in range(3)]
    sink = open_sink(OtlpAudit())
    sink.write(events)
    sink.close()
    assert len(collector.requests) == 1
    assert [plain(record.body) for record in collector.records] == [msgspec.to_builtins(event) for event in events]
    record = collector.records[0]
    assert record.trace_id.hex() == "0af7651916cd43dd8448eb211c80319c"
    assert {entry.key: plain(entry.value) for entry in record.attributes} == {"event.name": "scanner.decision"}
    assert record.severity_text == "INFO"
    resource = collector.requests[0].resource_logs[0].resource.attributes
    assert ("service.name", "scanner-service") in [(entry.key, plain(entry.value)) for entry in resource]


def test_the_service_can_be_named(collector, decide, monkeypatch):
    monkeypatch.setenv("OTEL_SERVICE_NAME", "chat-scanner")
    sink = Otlp()
    sink.write([event_of(decide(), KEY)])
    sink.close()
    resource = collector.requests[0].resource_logs[0].resource.attributes
    assert ("service.name", "chat-scanner") in [(entry.key, plain(entry.value)) for entry in resource]


@pytest.mark.parametrize("status", [302, 307, 400])
def test_a_collector_that_refuses_is_an_error_and_is_asked_again(collector, decide, status):
    sink = Otlp()
    collector.status = status
    with pytest.raises(OSError, match="did not take"):
        sink.write([event_of(decide(), KEY)])
    collector.status = 200
    sink.write([event_of(decide(), KEY)])
    assert len(collector.records) == 1
    sink.close()


def test_without_the_extra_the_configuration_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http._log_exporter", None)
    with pytest.raises(ConfigError, match=r"'\.\[otlp\]"):
        open_sink(OtlpAudit())
