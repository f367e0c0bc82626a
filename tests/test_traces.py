import sys

import pytest

from scanner_service.errors import ConfigError
from scanner_service.traces import wanted

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "scans"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        (ENDPOINT, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://collector/v1/traces"}, True),
        (ENDPOINT | {"OTEL_SDK_DISABLED": "true"}, False),
        (ENDPOINT | {"OTEL_SDK_DISABLED": "false"}, True),
        (ENDPOINT | {"OTEL_TRACES_EXPORTER": "none"}, False),
        (ENDPOINT | {"OTEL_TRACES_EXPORTER": "console, otlp"}, True),
        (ENDPOINT | {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, True),
        (
            ENDPOINT | {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf"},
            True,
        ),
    ],
)
def test_the_standard_variables_decide(environment, expected):
    assert wanted(environment) is expected


@pytest.mark.parametrize("endpoint", ["collector:4318", "grpc://collector:4317", "http://", "s3cret", "http://[s3cret"])
def test_an_endpoint_that_is_none_is_refused_without_repeating_it(endpoint):
    with pytest.raises(ConfigError, match="OTEL_EXPORTER_OTLP_ENDPOINT: not an") as error:
        wanted({"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint})
    assert "s3cret" not in str(error.value)


def test_without_the_packages_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(ConfigError, match=r"pip install '\.\[otlp\]'"):
        wanted(ENDPOINT)
    assert not wanted({})
