"""Traces of the running server, as a collector receives them."""

import itertools
import json
import re
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.collector import collecting
from tests.e2e.conftest import KEY, POLICIES, configured, running

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = {"traceparent": f"00-{TRACE}-{SPAN}-01"}
SERVER = 2
SOON = {"OTEL_BSP_SCHEDULE_DELAY": "20"}
NEVER = {"OTEL_BSP_SCHEDULE_DELAY": "600000"}  # only a flush sends anything


@pytest.fixture(scope="module")
def traced(tmp_path_factory):
    """A server and the collector that it sends to."""
    folder = tmp_path_factory.mktemp("traced")
    environment = configured(folder, POLICIES, scan_timeout_seconds=1.0)
    with collecting() as collector:
        environment |= {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_EXPORTER_OTLP_HEADERS": "x-tenant=scans",
            "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment=test",
        }
        with running(folder, environment | SOON) as server:
            yield server, collector


@pytest.fixture
def ask(traced):
    """Sends a request; its root span, and the answer."""
    server, collector = traced

    def send(path, **settings):
        before = {span.span_id for span in collector.roots(0)}
        response = server.post(path, **settings)
        (root,) = [span for span in collector.roots(len(before) + 1) if span.span_id not in before]
        return root, response

    return send


def names(spans):
    return [span.name for span in spans]


def test_a_request_is_a_trace_inside_that_of_its_caller(traced, ask):
    _, collector = traced
    root, response = ask("/analyze/prompt", json={"prompt": "an ATTACK by Ada"}, headers=PARENT)
    answer = response.json()
    assert (root.name, root.kind, root.trace_id, root.parent) == ("POST /analyze/prompt", SERVER, TRACE, SPAN)
    assert not root.failed
    assert root.attributes == {
        "http.request.method": "POST",
        "http.route": "/analyze/prompt",
        "http.response.status_code": 200,
        "scanner.request_id": answer["request_id"],
        "scanner.caller": "test",
        "scanner.policy": "default",
        "scanner.policy_digest": answer["policy_digest"],
        "scanner.verdict": "blocked",
    }
    inside = collector.inside(root)
    assert names(inside) == ["admit", "read", "decode", "scan", "encode"]
    assert inside[3].attributes == {
        "scanner.direction": "prompt",
        "scanner.verdict": "blocked",
        "scanner.triggered": ["attack", "person"],
        "scanner.score.attack": 1.0,
        "scanner.score.person": 1.0,
        "scanner.score.whisper": 0.0,
    }
    assert names(collector.inside(inside[3])) == ["recall", "prepare", "judge", "sanitize"]
    assert {span.trace_id for span in [*inside, *collector.inside(inside[3])]} == {TRACE}


def test_what_is_sent_says_who_sends_it(traced, ask):
    _, collector = traced
    root, _ = ask("/scan/prompt", json={"prompt": "who"})
    assert (root.resource["service.name"], root.resource["deployment.environment"]) == ("scanner-service", "test")
    assert collector.headers[-1]["x-tenant"] == "scans"


def test_the_times_of_a_trace_add_up(traced, ask):
    _, collector = traced
    root, _ = ask("/analyze/prompt", json={"prompt": "brief", "policy": "brief"})
    inside = collector.inside(root)
    scan = next(span for span in inside if span.name == "scan")
    stages = collector.inside(scan)
    for parent, children in ((root, inside), (scan, stages)):
        assert all(parent.start - 1e6 <= child.start <= child.end <= parent.end + 1e6 for child in children)
        for one, following in itertools.pairwise(children):
            assert one.end <= following.start + 1e6
    assert next(span for span in stages if span.name == "prepare").seconds >= 0.3
    assert sum(stage.seconds for stage in stages) == pytest.approx(scan.seconds, abs=1e-3)


def test_a_verdict_from_memory_shows_only_what_happened(traced, ask):
    _, collector = traced
    for expected in (["recall", "prepare", "judge", "sanitize"], ["recall", "sanitize"]):
        root, _ = ask("/scan/prompt", json={"prompt": "the same text"})
        (scan,) = [span for span in collector.inside(root) if span.name == "scan"]
        assert names(collector.inside(scan)) == expected


def test_every_item_of_a_batch_has_a_span(traced, ask):
    _, collector = traced
    for fine in (1, 30):
        root, _ = ask(
            "/analyze/prompts", json={"prompts": ["an ATTACK", *(f"fine {number}" for number in range(fine))]}
        )
        scans = [span for span in collector.inside(root) if span.name == "scan"]
        assert sorted(scan.attributes["scanner.verdict"] for scan in scans) == ["blocked", *["valid"] * fine]
    assert root.attributes["scanner.verdict"] == "blocked"


def test_a_stream_is_one_scan(traced, ask):
    _, collector = traced
    lines = [{}, *({"delta": f"word {number} "} for number in range(100))]
    body = "".join(json.dumps(line) + "\n" for line in lines)
    content_type = {"content-type": "application/x-ndjson"}
    root, response = ask("/analyze/output/stream", content=body, headers=content_type)
    assert json.loads(response.text.splitlines()[-1])["is_valid"]
    (scan,) = collector.inside(root)
    assert (scan.name, scan.attributes["scanner.direction"]) == ("scan", "output")
    assert names(collector.inside(scan)) == ["prepare", "judge", "sanitize"]
    assert root.start <= scan.start <= scan.end <= root.end


@pytest.mark.parametrize(
    ("settings", "status", "code"),
    [
        ({"key": "a-key-that-nobody-knows", "json": {"prompt": "a"}}, 401, "unauthorized"),
        ({"json": {"prompt": "a", "policy": "slow"}}, 504, "deadline_exceeded"),
        ({"json": {"text": "a"}}, 422, "invalid_request"),
    ],
)
def test_an_error_is_told_by_its_code(ask, settings, status, code):
    root, response = ask("/analyze/prompt", **settings)
    assert (response.status_code, root.attributes["http.response.status_code"]) == (status, status)
    assert root.attributes["error.type"] == code
    assert root.failed is (status >= 500)


def test_a_rule_that_could_not_run_has_no_score(traced, ask):
    _, collector = traced
    root, _ = ask("/scan/prompt", json={"prompt": "a", "policy": "forgiving"})
    (scan,) = [span for span in collector.inside(root) if span.name == "scan"]
    assert scan.attributes["scanner.error.broken"] == "scanner_failed"
    assert "scanner.score.broken" not in scan.attributes


def test_the_log_names_the_trace(traced, ask):
    server, _ = traced
    for headers in ({}, {"traceparent": "00-nonsense"}, PARENT):
        root, response = ask("/scan/prompt", json={"prompt": "log"}, headers=headers)
        (line,) = [one for one in server.logged("answered") if one["request_id"] == response.json()["request_id"]]
        assert line["trace_id"] == root.trace_id
        assert (root.parent == SPAN) is (headers is PARENT)


def test_what_the_caller_does_not_record_is_not_sent(traced, ask):
    server, collector = traced
    trace = "f" * 32
    unsampled = server.post("/scan/prompt", json={"prompt": "a"}, headers={"traceparent": f"00-{trace}-{SPAN}-00"})
    ask("/scan/prompt", json={"prompt": "later"})
    assert trace not in {span.trace_id for span in collector.spans}
    (line,) = [one for one in server.logged("answered") if one["request_id"] == unsampled.json()["request_id"]]
    assert line["trace_id"] == trace


def test_what_scans_nothing_is_not_traced(traced, ask):
    server, collector = traced
    for path in ("/healthz", "/metrics", "/analyze/prompt"):
        server.get(path)
    server.post("/nowhere", json={})
    ask("/scan/prompt", json={"prompt": "later"})
    assert {span.name for span in collector.roots(1)} <= {
        f"POST {path}"
        for path in ("/analyze/prompt", "/analyze/prompts", "/analyze/output/stream", "/scan/prompt", "/scan/output")
    }


def test_no_text_of_a_caller_is_sent_or_logged(traced, ask):
    server, collector = traced
    sent = [
        ("/analyze/prompt?marker=1", {"json": {"prompt": "marker ATTACK Ada-marker"}}),
        ("/analyze/output", {"json": {"prompt": "marker", "output": "marker Ada"}}),
        ("/analyze/prompt", {"json": {"prompt": "marker", "policy": "failing"}}),
        ("/analyze/prompt", {"json": {"prompt": "marker", "policy": "marker"}}),
        ("/analyze/prompt", {"json": {"marker": "marker"}}),
        ("/analyze/prompt", {"content": b"marker"}),
    ]
    headers = {"tracestate": "marker=marker", "baggage": "marker=marker", "user-agent": "marker", "x-marker": "marker"}
    for path, settings in sent:
        root, _ = ask(path, headers=headers | PARENT, **settings)
        assert root.trace_id == TRACE
    assert all(b"marker" not in body and KEY.encode() not in body for body in collector.bodies)
    assert "marker" not in server.output


def test_the_last_spans_are_sent_before_a_server_ends(tmp_path):
    with collecting() as collector:
        environment = configured(tmp_path, POLICIES) | {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url} | NEVER
        with running(tmp_path, environment | {"SCANNER_WORKERS": "2"}) as server:
            asked = [server.post("/scan/prompt", json={"prompt": str(number)}).json() for number in range(20)]
            assert collector.spans == []
            with ThreadPoolExecutor(1) as threads:
                last = threads.submit(server.post, "/scan/prompt", json={"prompt": "last", "policy": "slow"})
                wait_for(lambda: "scanner_requests_in_flight 1.0" in server.get("/metrics").text)
                server.process.send_signal(signal.SIGTERM)
                asked.append(last.result().json())
            assert server.process.wait(20) == 0
        told = {root.attributes["scanner.request_id"] for root in collector.roots(21)}
    assert told == {answer["request_id"] for answer in asked}


def wait_for(condition):
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until


def refusing():
    """An address at which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.mark.parametrize("answers", [False, True], ids=["absent", "silent"])
def test_a_collector_that_does_not_work_disturbs_nobody(tmp_path, answers):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1] if answers else refusing()
        endpoint = f"http://user:s3cret@127.0.0.1:{port}"
        patient = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
            "OTEL_EXPORTER_OTLP_TIMEOUT": "60",
        }  # what waits, waits long
        environment = configured(tmp_path, POLICIES) | patient | SOON
        with running(tmp_path, environment) as server:
            for number in range(20):
                started = time.perf_counter()
                assert server.post("/scan/prompt", json={"prompt": str(number)}).status_code == 200
                assert time.perf_counter() - started < 10
            started = time.perf_counter()
            server.process.send_signal(signal.SIGTERM)
            assert server.process.wait(20) == 0
            assert time.perf_counter() - started < 15  # FLUSH_SECONDS, and what the server takes without traces
        said = [line for line in server.output.splitlines() if '"opentelemetry' in line]
        assert len(said) <= 4
        assert "s3cret" not in server.output
        assert answers or re.search("refused|retrying", " ".join(said))


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"}, "OTEL_EXPORTER_OTLP_ENDPOINT: not an `http://`"),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "OTEL_EXPORTER_OTLP_PROTOCOL: traces are sent as `http/protobuf` only",
        ),
    ],
)
def test_what_cannot_be_sent_ends_the_start_with_one_clear_line(tmp_path, environment, reason):
    with pytest.raises(RuntimeError, match="the server ended at start") as error:
        with running(tmp_path, configured(tmp_path, POLICIES) | environment):
            pass
    (said,) = str(error.value).splitlines()[1:]
    assert said.startswith(f"scanner-service: {reason}")
