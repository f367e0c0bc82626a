"""What the service or the network does wrong is a failure with a name; it is never an allowed prompt."""

from __future__ import annotations

import asyncio
import json
import time
from email.utils import formatdate

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner_client import (
    AsyncClient,
    Blocked,
    Client,
    Forbidden,
    InvalidRequest,
    MaliciousPrompt,
    RateLimited,
    ScanFailed,
    TimedOut,
    Unauthorized,
    Unavailable,
    UnexpectedAnswer,
    errors,
)
from scanner_client.answers import Reply, failure_of
from scanner_client.protocol import FIRST_DELAY, LONGEST_DELAY, Protocol, backoff
from scanner_client.results import decode, read_prompt
from tests.client.servers import DROP, HANG, INVALID, VALID, Drip, error, response, scripted

FINDING = {"label": "INJECTION", "score": 0.9, "start": 0, "end": 3, "view": "raw"}
RESULT = {"scanner": "a", "kind": "k", "score": 0.9, "threshold": 0.5, "triggered": True, "action": "block"}

FAULTS = {
    "hangs": (HANG, TimedOut),
    "drops the connection": (DROP, Unavailable),
    "drops it within the body": (response(VALID, headers="connection: close\r\n", cut=50), Unavailable),
    "is no HTTP": (b"SSH-2.0-OpenSSH_9\r\nconnection: close\r\n\r\n", Unavailable),
    "lies about its encoding": (response(VALID, headers="content-encoding: gzip\r\n"), UnexpectedAnswer),
    "redirects": (response(VALID, 307, "location: http://127.0.0.1:9/\r\n"), UnexpectedAnswer),
    "has no content": (response("", 204), UnexpectedAnswer),
    "HTML": (response("<html><body>Welcome</body></html>"), UnexpectedAnswer),
    "truncated JSON": (response(json.dumps(VALID)[:-9]), UnexpectedAnswer),
    "JSON nested too deeply": (response("[" * 200_000), UnexpectedAnswer),
    "an empty body": (response(""), UnexpectedAnswer),
    "a list": (response([VALID]), UnexpectedAnswer),
    "null": (response("null"), UnexpectedAnswer),
    "no is_valid": (response({k: v for k, v in VALID.items() if k != "is_valid"}), UnexpectedAnswer),
    "is_valid is 1": (response(VALID | {"is_valid": 1}), UnexpectedAnswer),
    "is_valid is a string": (response(VALID | {"is_valid": "true"}), UnexpectedAnswer),
    "is_valid is null": (response(VALID | {"is_valid": None}), UnexpectedAnswer),
    "blocked and valid": (response(VALID | {"blocked": True}), UnexpectedAnswer),
    "an error under 200": (response(INVALID | {"error": {"code": "x", "message": "y"}}), UnexpectedAnswer),
    "no scanners": (response({"is_valid": True, "sanitized_prompt": "x"}), UnexpectedAnswer),
    "scanners is a list": (response(VALID | {"scanners": []}), UnexpectedAnswer),
    "a score is a string": (response(VALID | {"scanners": {"a": "0.1"}}), UnexpectedAnswer),
    "a score is not finite": (response(json.dumps(VALID).replace("-0.9", "NaN")), UnexpectedAnswer),
    "a score is huge": (response(json.dumps(VALID).replace("-0.9", "1" + "0" * 400)), UnexpectedAnswer),
    "no sanitized prompt": (response({"is_valid": True, "scanners": {}}), UnexpectedAnswer),
    "results hold strings": (response(VALID | {"results": ["a"]}), UnexpectedAnswer),
    "a result lacks a field": (response(VALID | {"results": [{"scanner": "a"}]}), UnexpectedAnswer),
    "a finding lacks a field": (response(VALID | {"results": [RESULT | {"findings": [{}]}]}), UnexpectedAnswer),
    "a finding starts at true": (
        response(VALID | {"results": [RESULT | {"findings": [FINDING | {"start": True}]}]}),
        UnexpectedAnswer,
    ),
    "400": (error(400, "malformed"), InvalidRequest),
    "401": (error(401, "unauthorized"), Unauthorized),
    "403": (error(403, "forbidden"), Forbidden),
    "404": (response("Not Found", 404), InvalidRequest),
    "408": (error(408, "body_timeout"), TimedOut),
    "413": (error(413, "request_too_large"), InvalidRequest),
    "415": (error(415, "unsupported_media_type"), InvalidRequest),
    "422": (error(422, "invalid_request"), InvalidRequest),
    "429": (error(429, "rate_limited", "retry-after: 60\r\n"), RateLimited),
    "500": (response("<h1>Oops</h1>", 500), Unavailable),
    "502": (response("<h1>Bad gateway</h1>", 502), Unavailable),
    "503": (error(503, "overloaded", "retry-after: 60\r\n"), Unavailable),
    "504": (error(504, "deadline_exceeded"), TimedOut),
    "a verdict under 500": (response(VALID, 500), Unavailable),
    "a verdict under 429": (response(VALID, 429), RateLimited),
}


def patience(answer):
    """Seconds to wait for *answer*: short for none at all, and else long enough for a busy machine."""
    return 0.3 if answer is HANG else 5.0


@pytest.mark.parametrize(("answer", "expected"), FAULTS.values(), ids=FAULTS)
def test_each_fault_has_its_error(answer, expected):
    with scripted(answer) as server, Client(server.url, timeout=patience(answer), max_retries=1) as client:
        with pytest.raises(ScanFailed) as caught:
            client.check_prompt("secret text")
    assert type(caught.value) is expected
    assert not isinstance(caught.value, Blocked)
    assert "secret" not in str(caught.value)
    assert client.usage.as_dict()["failures"] == {expected.__name__: 1}


@pytest.mark.parametrize(("answer", "expected"), FAULTS.values(), ids=FAULTS)
def test_each_fault_has_the_same_error_asynchronously(answer, expected):
    async def use():
        async with AsyncClient(server.url, timeout=patience(answer), max_retries=1) as client:
            with pytest.raises(ScanFailed) as caught:
                await client.check_prompt("secret text")
            assert type(caught.value) is expected

    with scripted(answer) as server:
        asyncio.run(use())


@pytest.mark.parametrize(("answer", "expected"), FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("choice", ["block", "allow"])
def test_only_being_unavailable_is_excused_and_only_as_chosen(answer, expected, choice):
    with scripted(answer) as server:
        with Client(server.url, timeout=patience(answer), max_retries=0, on_unavailable=choice) as client:
            if not issubclass(expected, Unavailable):
                with pytest.raises(expected):
                    client.check_prompt("text")
                return
            analysis = client.analyze_prompt("text")
    assert analysis.is_valid is (choice == "allow")
    assert type(analysis.failure) is expected
    assert analysis.sanitized_prompt == ("text" if choice == "allow" else "")


def test_blocking_while_unavailable_says_that_nobody_looked():
    with scripted(DROP) as server, Client(server.url, max_retries=0, on_unavailable="block") as client:
        with pytest.raises(MaliciousPrompt, match="Unscanned prompt blocked: no answer") as caught:
            client.check_prompt("text")
    assert caught.value.scores == {}
    assert isinstance(caught.value.__cause__, Unavailable)
    assert client.usage.as_dict()["blocked"] == 0


def test_allowing_while_unavailable_is_logged_without_the_text(caplog):
    with scripted(DROP) as server, Client(server.url, max_retries=0, on_unavailable="allow") as client:
        assert client.check_prompt("secret").is_valid
        assert client.check_output("secret").sanitized_output == "secret"
        assert [item.is_valid for item in client.analyze_prompts(["secret", "text"])] == [True, True]
    assert caplog.text.count("a text passes unscanned: no answer from the scanner service") == 4
    assert "secret" not in caplog.text
    assert client.usage.as_dict()["allowed_unscanned"] == 4


def test_any_other_choice_is_refused():
    with pytest.raises(ValueError, match="on_unavailable"):
        Client("http://localhost", on_unavailable="ignore")


def test_a_request_that_cannot_be_written_is_not_an_outage():
    for name in ("request_id", "traceparent"):
        with scripted(response(VALID)) as server, Client(server.url, on_unavailable="allow") as client:
            with pytest.raises(InvalidRequest, match="must be 1 to 256 visible ASCII characters"):
                client.check_prompt("text", **{name: "a\r\nb: c"})
    for arguments in ({"api_key": "key\nfrom a file"}, {"headers": {"x-name": "Zoë"}}):
        with pytest.raises(ValueError, match="visible ASCII characters"):
            Client("http://localhost", **arguments)


def test_what_passes_is_tried_again_with_the_same_body():
    script = [DROP, error(503, "overloaded"), response(VALID)]
    with scripted(*script) as server, Client(server.url, max_retries=2) as client:
        assert client.check_prompt("text").is_valid
    assert server.bodies == [{"prompt": "text"}] * 3
    assert client.usage.as_dict()["retries"] == 2


@pytest.mark.parametrize("answer", [error(401, "unauthorized"), error(422, "invalid_request"), response("<p>")])
def test_what_does_not_pass_is_not_tried_again(answer):
    with scripted(answer) as server, Client(server.url, max_retries=5) as client:
        with pytest.raises(ScanFailed):
            client.check_prompt("text")
    assert len(server.bodies) == 1


def test_retry_after_is_waited_for():
    with scripted(error(429, "rate_limited", "retry-after: 1\r\n"), response(VALID)) as server:
        with Client(server.url) as client:
            started = time.monotonic()
            assert client.check_prompt("text").is_valid
    assert 1.0 <= time.monotonic() - started < 2.0


def test_those_who_are_sent_away_together_do_not_come_back_together():
    def pause():
        flow = Protocol(timeout=10, max_retries=1, on_unavailable="raise").prompt("text", {})
        next(flow)
        return flow.send(Reply(503, {"retry-after": "1"}, b"")).seconds

    pauses = {pause() for _ in range(20)}
    assert len(pauses) > 1
    assert 1 <= min(pauses) < max(pauses) <= 1 + FIRST_DELAY


def test_a_wait_that_is_too_long_fails_at_once():
    with scripted(error(429, "rate_limited", "retry-after: 60\r\n")) as server, Client(server.url, timeout=5) as client:
        started = time.monotonic()
        with pytest.raises(RateLimited) as caught:
            client.check_prompt("text")
    assert time.monotonic() - started < 1
    assert caught.value.retry_after == 60
    assert (caught.value.status, caught.value.code, caught.value.request_id) == (429, "rate_limited", "r-1")
    assert str(caught.value) == "the scanner service answered 429 rate_limited: said so"


def test_the_time_of_a_call_includes_its_retries():
    with scripted(DROP) as server, Client(server.url, timeout=0.5, max_retries=100) as client:
        started = time.monotonic()
        with pytest.raises(Unavailable):
            client.check_prompt("text")
    assert time.monotonic() - started < 1


DRIPS = {  # for two seconds or more
    "body": Drip(response(VALID).replace(b"\r\n\r\n", b"\r\n\r\n|")),
    "head and body": Drip(b"|" + response(VALID)),
}


def test_the_time_of_a_call_ends_while_its_answer_drips():
    with scripted(DRIPS["body"]) as server, Client(server.url, timeout=0.4) as client:
        with pytest.raises(TimedOut):
            client.check_prompt("text")
        assert client.analyze_prompt("text", timeout=30).is_valid


@pytest.mark.parametrize("answer", DRIPS.values(), ids=DRIPS)
def test_the_time_of_an_asynchronous_call_ends_while_its_answer_drips(answer):
    async def use():
        async with AsyncClient(server.url, timeout=0.4, on_unavailable="block") as client:
            analysis = await client.analyze_prompt("text")
            assert type(analysis.failure) is TimedOut
            assert (await client.analyze_prompt("text", timeout=30)).failure is None

    with scripted(answer) as server:
        asyncio.run(use())


def test_retry_after_may_be_a_date_and_nonsense_is_ignored():
    def retry_after(value):
        return failure_of(Reply(503, {"retry-after": value}, b"")).retry_after

    assert 25 < retry_after(formatdate(time.time() + 30, usegmt=True)) <= 30
    assert retry_after(formatdate(time.time() - 30, usegmt=True)) == 0
    assert [retry_after(value) for value in ("soon", "-1", "1e9", "٣", "9" * 400, "")] == [None] * 6


def test_where_and_why_nobody_was_reached_is_told(tmp_path):
    tcp, socket = "http://user:secret@127.0.0.1:9/secret", f"unix://{tmp_path}/none.sock"
    for call, told in (
        (lambda: Client(tcp, max_retries=0).check_prompt("hello"), r"http://127.0.0.1:9: ConnectError: .*refused"),
        (lambda: list(Client(socket).stream_output(["hello"])), f"{socket}: FileNotFoundError"),
        (
            lambda: asyncio.run(AsyncClient(tcp, max_retries=0).check_prompt("hello")),
            r"http://127.0.0.1:9: ConnectError: .*(refused|failed)",
        ),
        (lambda: list(Client(tcp).stream_output(["hello"])), "http://127.0.0.1:9: ConnectionRefusedError"),
        (lambda: asyncio.run(anext(AsyncClient(tcp).stream_output(["hello"]))), "http://127.0.0.1:9: Connection"),
    ):
        with pytest.raises(Unavailable, match=f" scanner service at {told}") as caught:
            call()
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize(("key", "told"), [("", True), ("wrong", False)])
def test_a_client_without_a_key_is_told_so(server, key, told):
    async def use():
        async with AsyncClient(server.url, key) as client:
            await client.check_prompt("text")

    with httpx2.Client() as http, Client(server.url, key) as client:
        for call in (
            lambda: client.check_prompt("text"),
            lambda: asyncio.run(use()),
            lambda: list(client.stream_output(["text"])),
            lambda: list(Client(server.url, key, http_client=http).stream_output(["text"])),
        ):
            with pytest.raises(Unauthorized) as caught:
                call()
            assert ("the client has no key: set SCANNER_API_KEY" in str(caught.value)) is told
        with pytest.raises(Unauthorized) as caught:
            Client(server.url, key, headers={"X-API-Key": "mine"}, http_client=http).check_prompt("text")
        assert "no key" not in str(caught.value)


def test_an_error_of_somebody_else_is_not_quoted():
    for body in ({"detail": "you sent: secret"}, {"error": {"code": "x", "message": "secret"}}, {"error": "secret"}):
        failure = failure_of(Reply(400, {}, json.dumps(body).encode()))
        assert str(failure) == "the scanner service answered 400"


def test_delays_double_up_to_a_limit_and_chance_takes_up_to_half():
    assert [backoff(attempt, 0) for attempt in range(6)] == [0.1, 0.2, 0.4, 0.8, 1.6, LONGEST_DELAY]
    assert backoff(0, 1) == 0.05


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda x: (
            st.lists(x)
            | st.dictionaries(
                st.text() | st.sampled_from(["is_valid", "scanners", "sanitized_prompt", "results", "blocked"]), x
            )
        ),
        max_leaves=20,
    )
)
def test_whatever_json_comes_it_is_a_whole_answer_or_a_failure(value):
    try:
        analysis = read_prompt(decode(json.dumps(value).encode()))
    except UnexpectedAnswer:
        return
    assert isinstance(value["is_valid"], bool)
    assert analysis.is_valid is value["is_valid"]


def test_verdicts_and_failures_are_separate_branches():
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    assert len(kinds) == 12
    assert not [kind for kind in kinds if issubclass(kind, Blocked) and issubclass(kind, ScanFailed)]
    for kind in kinds:
        assert kind.__name__ in errors.__doc__


def test_no_error_of_the_http_library_escapes():
    for kind in vars(httpx2).values():
        if not (isinstance(kind, type) and issubclass(kind, httpx2.RequestError)):
            continue

        def fail(request, kind=kind):
            raise kind("no")

        with httpx2.Client(transport=httpx2.MockTransport(fail)) as http, pytest.raises(ScanFailed):
            Client("http://localhost", max_retries=0, http_client=http).check_prompt("text")
