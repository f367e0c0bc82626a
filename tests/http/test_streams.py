import asyncio
import itertools
import json
import logging

import httpx2
import pytest

from scanner_service.http import streams
from tests.http.conftest import KEY, TIED_KEY
from tests.timing import least_seconds

PATH = "/analyze/output/stream"
NDJSON = {"content-type": "application/x-ndjson"}


def body(*lines):
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def post(client, *lines, **headers):
    return client.post(PATH, content=body(*lines), headers=NDJSON | headers)


def lines_of(response):
    assert response.status_code == 200
    return [json.loads(line) for line in response.text.splitlines()]


def test_the_last_line_is_the_verdict_and_those_before_are_the_text(client):
    response = post(client, {"prompt": "who?"}, {"delta": "It was A"}, {"delta": "da."})
    *shown, verdict = lines_of(response)
    assert response.headers["content-type"] == "application/x-ndjson"
    assert "".join(line["text"] for line in shown) == "It was [PERSON_1]."
    assert verdict["is_valid"] is True
    assert verdict["scanners"]["person"] == 1.0
    finding = verdict["results"][1]["findings"][0]
    assert (finding["start"], finding["end"]) == (7, 10)
    assert verdict["request_id"] == response.headers["x-request-id"]


def test_values_of_the_prompt_are_put_back(client):
    token = client.post("/analyze/prompt", json={"prompt": "Ada wrote"}).json()["vault"]
    *shown, _ = lines_of(post(client, {"vault": token}, {"delta": "Dear [PERS"}, {"delta": "ON_1]!"}))
    assert "".join(line["text"] for line in shown) == "Dear Ada!"


def test_a_block_ends_the_stream_with_the_verdict(client):
    *shown, verdict = lines_of(post(client, {}, {"delta": "x " * 300}, {"delta": "ATTACK"}, {"delta": " y" * 300}))
    text = "".join(line["text"] for line in shown)
    assert verdict["is_valid"] is False
    assert "ATTACK" not in text
    assert "y" not in text


def test_lines_are_events_where_events_are_wanted(client):
    response = post(client, {}, {"delta": "hello"}, accept="text/event-stream")
    assert response.headers["content-type"].startswith("text/event-stream")
    events = [json.loads(event.removeprefix("data: ")) for event in response.text.split("\n\n") if event]
    assert events[0] == {"text": "hello"}
    assert events[1]["is_valid"] is True


@pytest.mark.parametrize(
    ("content", "headers", "status", "code"),
    [
        (b"", {}, 400, "malformed"),
        (b"no json\n", {}, 400, "malformed"),
        (body({"surprise": 1}), {}, 422, "invalid_request"),
        (body({"policy": "unheard"}), {}, 422, "invalid_request"),
        (body({"scanners_suppress": ["attack"]}), {}, 403, "forbidden"),
        (body({"vault": "v1.made-up"}), {}, 400, "invalid_vault_token"),
        (body({"prompt": 1}), {}, 422, "invalid_request"),
        (body({}), {"content-type": "application/json"}, 415, "unsupported_media_type"),
        (body({}), {"authorization": "Bearer wrong-key-wrong-key"}, 401, "unauthorized"),
        (body({"policy": "default"}), {"authorization": f"Bearer {TIED_KEY}"}, 403, "forbidden"),
    ],
)
def test_what_is_wrong_with_the_first_line_is_an_ordinary_error(client, content, headers, status, code):
    response = client.post(PATH, content=content, headers=NDJSON | headers)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    assert response.json()["is_valid"] is False


def test_an_error_says_in_which_line_it_is(client):
    first = client.post(PATH, content=body({"delta": "hello"}), headers=NDJSON).json()
    assert first["error"]["message"].startswith("line 1: `$.delta`: unknown field")
    later = lines_of(post(client, {}, {"delta": "word " * 100}, {"delta": 1}))[-1]
    assert later["error"]["message"].startswith("line 3: `$.delta`")


@pytest.mark.parametrize("line", ['{"delta": 1}', "{", '{"text": "a"}', '{"delta": "\\ud800"}'])
def test_what_is_wrong_with_a_later_line_is_the_last_line_of_the_answer(client, line):
    content = body({}, {"delta": "word " * 100}) + line.encode() + b"\n"
    *shown, last = lines_of(client.post(PATH, content=content, headers=NDJSON))
    assert shown
    assert last["is_valid"] is False
    assert last["error"]["code"] in ("malformed", "invalid_request")


def test_a_stream_over_the_limit_is_refused(make_world):
    response = post(make_world(limits={"max_body_bytes": 1000}).client, {}, {"delta": "word " * 300})
    assert (response.status_code, response.json()["error"]["code"]) == (413, "request_too_large")


def test_a_place_is_given_back_after_the_stream(make_world):
    client = make_world(limits={"max_concurrent_requests": 1}).client
    for _ in range(3):
        assert lines_of(post(client, {}, {"delta": "hello"}))[-1]["is_valid"] is True
        assert post(client, {"policy": "unheard"}).status_code == 422


def test_text_comes_back_while_the_output_is_still_being_sent(world):
    async def converse():
        sent, asked = [], asyncio.Queue()
        scope = {"type": "http", "method": "POST", "path": PATH, "query_string": b"", "http_version": "1.1"}
        key = f"Bearer {KEY}".encode()
        scope["headers"] = [(b"content-type", b"application/x-ndjson"), (b"authorization", key)]

        async def send(message):
            sent.append(message)

        task = asyncio.create_task(world.app(scope, asked.get, send))
        asked.put_nowait({"type": "http.request", "body": body({}, {"delta": "word " * 100}), "more_body": True})
        while len(sent) < 2:
            await asyncio.sleep(0.01)
        early = b"".join(message.get("body", b"") for message in sent)
        asked.put_nowait({"type": "http.request", "body": body({"delta": "end"}), "more_body": False})
        await task
        return early, b"".join(message.get("body", b"") for message in sent)

    early, whole = asyncio.run(asyncio.wait_for(converse(), 10))
    assert b"word" in early
    assert b"is_valid" not in early
    assert b"is_valid" in whole


def test_a_long_line_in_many_pieces_takes_linear_time_and_gives_others_their_turns(world):
    turns = 0

    async def count_turns():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def read(pieces):
        left = iter(range(pieces))

        async def receive():
            return {"type": "http.request", "body": b"x" * 48, "more_body": next(left) < pieces - 1}

        others = asyncio.create_task(count_turns())
        lines = [line async for line in streams._lines(receive, world.config)]
        others.cancel()
        assert lines == [b"x" * 48 * pieces]

    def seconds(pieces):
        return least_seconds(lambda: asyncio.run(read(pieces)), runs=2)

    assert seconds(20_000) < 20 * max(seconds(2_500), 0.02)
    assert turns > 20_000


@pytest.mark.parametrize("sizes", [[1], [7, 1], [1000]])
def test_lines_are_the_same_however_they_are_cut(world, sizes):
    content = b"first\n\n second \r\n\nthird"
    cuts = itertools.accumulate(itertools.islice(itertools.cycle(sizes), len(content)))
    bounds = [0, *(at for at in cuts if at < len(content)), len(content)]
    pieces = [content[a:b] for a, b in itertools.pairwise(bounds)]

    async def receive():
        return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

    async def read():
        return [line async for line in streams._lines(receive, world.config)]

    assert asyncio.run(read()) == [b"first", b" second \r", b"third"]


def test_a_stream_whose_caller_hangs_up_is_counted_and_logged_and_gives_back_its_place(world, caplog):
    asked = asyncio.Queue()
    begun = asyncio.Event()

    async def scan(*arguments, **settings):
        begun.set()
        await asyncio.Event().wait()

    async def scene():
        scope = {"type": "http", "method": "POST", "path": PATH, "query_string": b"", "http_version": "1.1"}
        key = f"Bearer {KEY}".encode()
        scope["headers"] = [(b"content-type", b"application/x-ndjson"), (b"authorization", key)]
        world.engine.scan = scan
        asked.put_nowait({"type": "http.request", "body": body({}, {"delta": "word " * 100}), "more_body": True})
        task = asyncio.create_task(world.app(scope, asked.get, None))
        await begun.wait()
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    with caplog.at_level(logging.INFO):
        assert asyncio.run(asyncio.wait_for(scene(), 10))
    [answered] = [vars(record) for record in caplog.records if record.message == "answered"]
    assert (answered["status"], answered["code"], answered["caller"]) == (499, "caller_gone", "test")
    exposed = world.metrics.expose().decode()
    assert f'scanner_request_duration_seconds_count{{route="{PATH}",status="499"}} 1.0' in exposed
    assert "scanner_requests_in_flight 0.0" in exposed


def test_a_token_of_another_credential_is_refused_by_a_stream_too(client):
    token = client.post("/analyze/prompt", json={"prompt": "Ada wrote"}).json()["vault"]
    response = post(client, {"vault": token}, {"delta": "Dear [PERSON_1]"}, authorization=f"Bearer {TIED_KEY}")
    assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_vault_token")


def begin(world, sent):
    """A stream that goes on: its task, and the queue for what it is still to be sent."""
    asked = asyncio.Queue()
    scope = {"type": "http", "method": "POST", "path": PATH, "query_string": b"", "http_version": "1.1"}
    scope["headers"] = [(b"content-type", b"application/x-ndjson"), (b"authorization", f"Bearer {KEY}".encode())]

    async def send(message):
        sent.append(message)

    asked.put_nowait({"type": "http.request", "body": body({}, {"delta": "word " * 100}), "more_body": True})
    return asyncio.ensure_future(world.app(scope, asked.get, send)), asked


def test_a_stream_holds_a_place_as_long_as_it_lasts(make_world):
    world = make_world(limits={"max_concurrent_requests": 1})

    async def scene():
        sent = []
        stream, asked = begin(world, sent)
        while len(sent) < 2:
            await asyncio.sleep(0.001)
        transport = httpx2.ASGITransport(app=world.app)
        headers = {"authorization": f"Bearer {KEY}"}
        async with httpx2.AsyncClient(transport=transport, base_url="http://test", headers=headers) as client:
            refused = [
                await client.post(PATH, content=body({}, {"delta": "a"}), headers=NDJSON),
                await client.post("/scan/prompt", json={"prompt": "a"}),
            ]
        asked.put_nowait({"type": "http.request", "body": b"", "more_body": False})
        await stream
        return refused

    refused = asyncio.run(asyncio.wait_for(scene(), 30))
    assert [(one.status_code, one.json()["error"]["code"]) for one in refused] == [(503, "overloaded")] * 2


def test_a_stream_whose_next_piece_does_not_come_in_time_ends_without_a_verdict(make_world):
    world = make_world(body_timeout_seconds=0.2)

    async def scene():
        sent = []
        stream, _ = begin(world, sent)
        await stream
        return b"".join(message.get("body", b"") for message in sent)

    last = json.loads(asyncio.run(asyncio.wait_for(scene(), 30)).splitlines()[-1])
    assert (last["is_valid"], last["error"]["code"]) == (False, "body_timeout")
