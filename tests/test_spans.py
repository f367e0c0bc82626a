import asyncio
import logging

import pytest

from scanner_service.errors import ConfigError
from scanner_service.spans import Spans
from scanner_service.traces import Outcome
from tests.collector import collecting

OUTCOME = Outcome(status=200, code="", request_id="r", caller="test", policy="", policy_digest="", stages=[], scans=[])


@pytest.fixture(autouse=True)
def own_logger():
    yield
    logger = logging.getLogger("opentelemetry")
    logger.handlers.clear()
    logger.propagate = True


def send(monkeypatch, **variables):
    """Send one trace with *variables* in the environment."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    async def one():
        spans = Spans()
        spans.begin("/scan/prompt", None).end(OUTCOME)
        await spans.aclose()

    asyncio.run(one())


def test_the_standard_variables_name_the_service(monkeypatch):
    with collecting() as collector:
        for variables in (
            {},
            {"OTEL_RESOURCE_ATTRIBUTES": "service.name=from-attributes"},
            {"OTEL_SERVICE_NAME": "from-name"},
        ):
            send(monkeypatch, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, **variables)
        names = [root.resource["service.name"] for root in collector.roots(3)]
    assert names == ["scanner-service", "from-attributes", "from-name"]


def test_what_was_not_reached_is_not_told(monkeypatch):
    with collecting() as collector:
        send(monkeypatch, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=f"{collector.url}/v1/traces")
        (root,) = collector.roots(1)
    assert not {"scanner.policy", "scanner.policy_digest", "scanner.verdict", "error.type"} & set(root.attributes)


def test_a_redirect_is_not_followed(monkeypatch):
    with collecting() as elsewhere, collecting() as collector:
        collector.redirect = f"{elsewhere.url}/v1/traces"
        send(monkeypatch, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
        assert len(collector.roots(1)) == 1
        assert elsewhere.bodies == []


@pytest.mark.parametrize(
    "variable",
    [{"OTEL_BSP_MAX_QUEUE_SIZE": "0"}, {"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "many"}],
    ids=lambda one: next(iter(one)),
)
def test_a_value_that_the_sdk_does_not_take_is_a_wrong_setting(monkeypatch, variable):
    with pytest.raises(ConfigError, match="the variables of OpenTelemetry"):
        send(monkeypatch, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1", **variable)
