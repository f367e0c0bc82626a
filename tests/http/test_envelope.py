import asyncio
import json
import logging
from types import SimpleNamespace

import pytest

from scanner_service.http import envelope
from scanner_service.http.envelope import Envelope
from scanner_service.metrics import Metrics


def metric(world, name, **labels):
    wanted = ",".join(f'{key}="{value}"' for key, value in labels.items())
    for line in world.metrics.expose().decode().splitlines():
        if line.startswith(f"{name}{{{wanted}}} " if labels else f"{name} "):
            return float(line.rsplit(" ", 1)[1])
    return None


def test_a_sane_request_id_is_kept(client):
    response = client.get("/healthz", headers={"x-request-id": "Trace-1.2_3"})
    assert response.headers["x-request-id"] == "Trace-1.2_3"


@pytest.mark.parametrize("sent", ["", "two words", "a" * 65, "<script>", "a\tb", "é"])
def test_any_other_request_id_is_replaced(client, sent):
    response = client.get("/healthz", headers={"x-request-id": sent.encode("latin-1")})
    assert len(response.headers["x-request-id"]) == 32


@pytest.mark.parametrize("path", ["/", "/healthz", "/analyze/prompt", "/docs", "/nowhere"])
def test_every_answer_has_the_headers_and_no_banner(client, path):
    headers = client.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["server"] == "scanner-service"
    assert headers["cache-control"] == ("max-age=300" if path == "/docs" else "no-store")
    assert len(headers.get_list("x-request-id")) == 1


def test_head_has_no_body(client):
    assert client.head("/healthz").content == b""


def test_a_request_is_logged_with_names_and_numbers_only(client, caplog):
    with caplog.at_level(logging.INFO):
        client.post("/analyze/prompt?q=marker", json={"prompt": "marker"}, headers={"x-other": "marker"})
        client.get("/marker")
    scanned, missed = [vars(record) for record in caplog.records if record.message == "answered"]
    assert (scanned["route"], scanned["status"], scanned["caller"], scanned["code"]) == (
        "/analyze/prompt",
        200,
        "test",
        "",
    )
    assert (missed["route"], missed["status"], missed["code"]) == ("other", 404, "not_found")
    ours = [record for record in caplog.records if record.name.startswith("scanner_service")]
    assert "marker" not in str([vars(record) for record in ours])


def test_the_log_names_the_trace_of_the_caller(client, caplog):
    trace = "0af7651916cd43dd8448eb211c80319c"
    with caplog.at_level(logging.INFO):
        for parent in (f"00-{trace}-b7ad6b7169203331-01", "00-marker-b7ad6b7169203331-01"):
            client.post("/analyze/prompt", json={"prompt": "a"}, headers={"traceparent": parent})
    named, unnamed = [vars(record) for record in caplog.records if record.message == "answered"]
    assert named["trace_id"] == trace
    assert "trace_id" not in unnamed


def test_paths_that_are_not_ours_are_counted_together(world):
    for path in ("/a", "/b", "/analyze/prompt/"):
        world.client.get(path)
    assert metric(world, "scanner_request_duration_seconds_count", route="other", status="404") == 3


def run(app, messages, headers=()):
    """Send *messages* through an envelope around *app*; what came back, and what was left unread."""
    sent, left = [], list(messages)

    async def receive():
        return left.pop(0) if left else await asyncio.get_running_loop().create_future()

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "path": "/x", "method": "POST", "headers": list(headers)}
    asyncio.run(Envelope(app, Metrics(), [], 1)(scope, receive, send))
    return sent, left


async def refuse(scope, receive, send):
    await send({"type": "http.response.start", "status": 401, "headers": []})
    await send({"type": "http.response.body", "body": b"no"})


CHUNKS = [{"type": "http.request", "body": b"x", "more_body": more} for more in (True, True, False)]


def test_a_body_that_is_not_wanted_is_read_so_that_the_caller_sees_why():
    sent, left = run(refuse, CHUNKS, [(b"content-length", b"3")])
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert left == []


def test_a_body_that_is_not_wanted_is_not_read_for_ever(monkeypatch):
    monkeypatch.setattr(envelope, "LINGER_SECONDS", 0.05)
    _, left = run(refuse, CHUNKS[:2], [(b"transfer-encoding", b"chunked")])
    assert left == []


@pytest.mark.parametrize("headers", [[], [(b"content-length", b"3"), (b"expect", b"100-continue")]])
def test_nobody_waits_for_a_body_that_will_not_come(headers):
    _, left = run(refuse, CHUNKS, headers)
    assert left == CHUNKS


def test_an_answer_that_breaks_off_is_not_passed_for_a_whole_one():
    async def break_off(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("the text itself")

    with pytest.raises(ConnectionAbortedError) as error:
        run(break_off, [])
    assert "the text itself" not in str(error.value)


def test_a_bug_before_the_answer_is_a_refusal():
    async def fail(scope, receive, send):
        raise RuntimeError("the text itself")

    sent, _ = run(fail, [])
    assert sent[0]["status"] == 500
    assert json.loads(sent[1]["body"])["is_valid"] is False
    assert b"the text itself" not in sent[1]["body"]


def test_other_scopes_pass():
    seen = []

    async def note(scope, receive, send):
        seen.append(scope["type"])

    asyncio.run(Envelope(note, Metrics(), [], 1)({"type": "lifespan"}, None, None))
    assert seen == ["lifespan"]


@pytest.mark.parametrize("started", [False, True])
def test_a_request_that_is_cancelled_is_concluded(caplog, started):
    ended = []
    trace = SimpleNamespace(id="0" * 32, end=ended.append)
    spans = SimpleNamespace(begin=lambda route, parent: trace)
    metrics = Metrics()

    async def hang(scope, receive, send):
        if started:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.Event().wait()

    async def scene():
        scope = {"type": "http", "path": "/x", "method": "POST", "headers": []}
        envelope = Envelope(hang, metrics, ["/x"], 1, spans=spans, traced=["/x"])
        task = asyncio.create_task(envelope(scope, None, lambda message: asyncio.sleep(0)))
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    with caplog.at_level(logging.INFO):
        asyncio.run(scene())
    status = 200 if started else 499
    [answered] = [vars(record) for record in caplog.records if record.message == "answered"]
    assert (answered["status"], answered["code"]) == (status, "caller_gone")
    assert [(outcome.status, outcome.code) for outcome in ended] == [(status, "caller_gone")]
    assert f'route="/x",status="{status}"' in metrics.expose().decode()
