"""Bad input against the running server: every error is clear, reads as a refusal, and costs the others nothing."""

import json
import socket
import time
from base64 import b64encode

import httpx2
import pytest

from tests.e2e.conftest import KEY, TIED_KEY

REFUSAL = {"is_valid": False, "blocked": True, "scanners": {}, "sanitized_prompt": ""}
JSON = {"content-type": "application/json"}


def assert_refused(response, status, code):
    answer = response.json()
    assert (response.status_code, answer["error"]["code"]) == (status, code), response.text
    assert answer.items() >= REFUSAL.items()


def exchange(server, request, *, pause=0.0, then=b""):
    """Send raw bytes and read until the server has nothing more to say; the status, the body, the seconds it took."""
    started = time.perf_counter()
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(request)
        if then:
            time.sleep(pause)
            connection.sendall(then)
        received = b""
        while b"\r\n\r\n" not in received:
            received += connection.recv(65536)
        head, _, body = received.partition(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        while len(body) < length:
            body += connection.recv(65536)
        return int(head.split()[1]), json.loads(body), time.perf_counter() - started


def head(*lines, path="/analyze/prompt", key=KEY):
    fields = [f"POST {path} HTTP/1.1", "Host: test", "Content-Type: application/json", *lines]
    if key:
        fields.append(f"Authorization: Bearer {key}")
    return "\r\n".join([*fields, "", ""]).encode()


@pytest.mark.parametrize(
    "path", ["/analyze/prompt", "/analyze/prompts", "/analyze/output", "/scan/prompt", "/scan/output"]
)
@pytest.mark.parametrize(
    ("content", "headers", "status", "code"),
    [
        (b"hello", JSON, 400, "malformed"),
        (b"", JSON, 400, "malformed"),
        (b"[" * 100_000, JSON, 400, "malformed"),
        (b'{"prompts": ' + b"[" * 90_000 + b"]" * 90_000 + b"}", JSON, 400, "malformed"),
        (b'{"prompt": "\xff"}', JSON, 400, "malformed"),
        (b"{}", JSON, 422, "invalid_request"),
        (b'{"prompt": 1, "prompts": 1}', JSON, 422, "invalid_request"),
        (b'{"prompt": "a", "prompts": ["a"], "output": "b", "surprise": 1}', JSON, 422, "invalid_request"),
        (b"{}", {"content-type": "text/plain"}, 415, "unsupported_media_type"),
        (b"{}", {}, 415, "unsupported_media_type"),
        (b"{}", JSON | {"authorization": "Bearer wrong"}, 401, "unauthorized"),
    ],
)  # fmt: skip
def test_a_bad_request_is_refused(server, path, content, headers, status, code):
    assert_refused(server.post(path, content=content, headers=headers), status, code)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"prompt": ""}', "$.prompt"),
        (b'{"prompt": " \\n\\t\\u3000"}', "$.prompt"),
        (b'{"prompt": "a\\ud800"}', "$.prompt"),
        (b'{"prompt": "a", "policy": "unheard"}', "$.policy"),
        (b'{"prompt": "a", "policy": "\\ud800"}', "$.policy"),
        (b'{"prompt": "a", "surprise": "b"}', "$.surprise"),
    ],
)
def test_a_wrong_field_is_named(server, body, field):
    response = server.post("/analyze/prompt", content=body, headers=JSON)
    assert_refused(response, 422, "invalid_request")
    assert f"`{field}`" in response.json()["error"]["message"]


def test_the_character_zero_is_text(server):
    response = server.post("/analyze/prompt", json={"prompt": "\x00 Ada \x00"})
    assert response.json()["sanitized_prompt"] == "\x00 [PERSON_1] \x00"


def test_a_mandatory_rule_cannot_be_suppressed(server):
    body = {"prompt": "ATTACK", "scanners_suppress": ["attack"]}
    assert_refused(server.post("/analyze/prompt", json=body), 403, "forbidden")
    body = {"prompt": "whisper", "scanners_suppress": ["whisper"]}
    assert server.post("/analyze/prompt", json=body).json()["is_valid"] is True


def test_a_tied_key_may_not_use_another_policy(server):
    assert_refused(
        server.post("/analyze/prompt", TIED_KEY, json={"prompt": "a", "policy": "default"}), 403, "forbidden"
    )
    assert server.post("/analyze/prompt", TIED_KEY, json={"prompt": "a"}).json()["policy"] == "brief"


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {KEY}"},
        {"authorization": "Basic " + b64encode(f"{KEY}:".encode()).decode()},
        {"authorization": "basic " + b64encode(f"user:{KEY}".encode()).decode()},
        {"x-api-key": KEY},
    ],
)
def test_a_credential_may_come_in_every_form(server, headers):
    assert server.post("/scan/prompt", None, json={"prompt": "a"}, headers=headers).status_code == 200


def test_a_missing_credential_is_challenged(server):
    response = server.post("/analyze/prompt", None, json={"prompt": "a"})
    assert_refused(response, 401, "unauthorized")
    challenges = response.headers.get_list("www-authenticate")
    assert [challenge.split()[0] for challenge in challenges] == ["Bearer", "Basic"]


def test_paths_and_methods_that_do_not_exist_are_refused_in_json(server):
    assert_refused(server.post("/elsewhere/analyze/prompt", json={"prompt": "a"}), 404, "not_found")
    assert_refused(server.get("/analyze/prompt"), 405, "method_not_allowed")


def test_a_body_over_the_limit_is_refused_by_its_announcement(server):
    status, answer, seconds = exchange(server, head("Content-Length: 200001", "Expect: 100-continue"))
    assert (status, answer["error"]["code"], answer["is_valid"]) == (413, "request_too_large", False)
    assert seconds < 0.5


@pytest.mark.parametrize(("key", "status"), [(KEY, 413), (None, 401)])
def test_a_caller_that_sends_everything_before_it_listens_gets_its_answer(server, key, status):
    # Hanging up on a body that is still arriving resets the connection, and the answer would be lost with it.
    request = head("Content-Length: 5000000", key=key) + b"a" * 5_000_000
    assert exchange(server, request)[0] == status


def test_a_large_body_that_was_sent_anyway_gets_its_answer(server):
    assert_refused(server.post("/analyze/prompt", json={"prompt": "a" * 1_000_000}), 413, "request_too_large")
    assert_refused(server.post("/analyze/prompt", None, json={"prompt": "a" * 1_000_000}), 401, "unauthorized")


def test_a_large_body_without_an_announcement_is_refused_when_it_shows(server):
    chunks = (b'{"prompt": "' if number == 0 else b"a" * 50_000 for number in range(8))
    assert_refused(server.post("/analyze/prompt", content=chunks, headers=JSON), 413, "request_too_large")


@pytest.mark.parametrize("first", [b"", b'5\r\n{"pro\r\n'])
def test_a_body_that_never_ends_is_given_up(server, first):
    status, answer, seconds = exchange(server, head("Transfer-Encoding: chunked") + first)
    assert (status, answer["error"]["code"], answer["is_valid"]) == (408, "body_timeout", False)
    assert 1.0 <= seconds < 1.5


def test_a_body_that_arrives_slowly_but_in_time_is_read(server):
    start, end = b'{"prompt": ', b'"a"}'
    status, answer, _ = exchange(server, head("Content-Length: 15") + start, pause=0.3, then=end)
    assert (status, answer["is_valid"]) == (200, True)


def test_the_credential_is_asked_for_before_the_body(server):
    status, answer, seconds = exchange(server, head("Content-Length: 1000", key=None))
    assert (status, answer["is_valid"]) == (401, False)
    assert seconds < 0.5


def test_a_batch_gives_every_item_its_own_answer(server):
    content = json.dumps({"prompts": ["fine", "", 3, "ATTACK", "\ud800", "Ada"]}).encode()
    results = server.post("/analyze/prompts", content=content, headers=JSON).json()["results"]
    assert [one["is_valid"] for one in results] == [True, False, False, False, False, True]
    assert [one["error"]["code"] for one in results if "error" in one] == ["invalid_request"] * 3
    assert_refused(server.post("/analyze/prompts", json={"prompts": ["a"] * 9}), 413, "request_too_large")


def test_a_scanner_that_raises_blocks_unless_its_rule_excuses_it(server):
    answer = server.post("/analyze/prompt", json={"prompt": "a", "policy": "failing"}).json()
    assert (answer["is_valid"], answer["results"][0]["error"]) == (False, "scanner_failed")
    answer = server.post("/analyze/prompt", json={"prompt": "a", "policy": "forgiving"}).json()
    assert (answer["is_valid"], answer["results"][0]["error"]) == (True, "scanner_failed")


def test_the_server_does_not_say_what_it_is_made_of(server):
    for response in (server.get("/"), server.get("/nowhere"), server.post("/analyze/prompt", json={})):
        assert "gunicorn" not in str(response.headers).lower()
        assert response.headers["x-content-type-options"] == "nosniff"


def test_nothing_a_caller_sends_is_in_the_output(server):
    marker = "m4rk3r"
    for path, body in [
        ("/analyze/prompt", {"prompt": f"ATTACK {marker} Ada"}),
        ("/analyze/prompt", {"prompt": marker, "policy": "failing"}),
        ("/analyze/prompt", {"prompt": marker, "policy": "slow"}),
        ("/analyze/prompt", {"prompt": marker, "policy": marker}),
        ("/analyze/prompt", {"prompt": marker, "scanners_suppress": [marker]}),
        ("/analyze/prompt", {"prompt": marker, marker: marker}),
        ("/analyze/prompts", {"prompts": [marker, [marker]], "policy": "failing"}),
        ("/analyze/output", {"prompt": marker, "output": marker, "vault": marker}),
        (f"/analyze/{marker}?{marker}={marker}", {"prompt": marker}),
    ]:
        server.post(path, json=body, headers={"user-agent": marker, "x-other": marker})
        server.post(path, marker, json=body, headers={"cookie": marker, "x-request-id": f"{marker}!"})
    for raw in (f"GET /{marker} HTTP/9\r\n\r\n", f"{marker}\r\n\r\n", f"GET / HTTP/1.1\r\n{marker}\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
            connection.sendall(raw.encode())
            connection.recv(65536)
    assert len(server.logged("answered")) >= 18
    assert marker not in server.output
    assert KEY not in server.output


def test_what_is_not_http_is_refused_in_words_that_are_no_verdict(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(b"POST /analyze/prompt HTTP/1.1\r\nX: " + b"a" * 20_000 + b"\r\n\r\n")
        answer = connection.recv(65536)
    assert answer.split()[1] in (b"400", b"431")
    assert b"application/json" not in answer


def test_requests_on_one_connection_do_not_disturb_each_other(server):
    with httpx2.Client(base_url=server.url, headers={"authorization": f"Bearer {KEY}"}) as client:
        for _ in range(5):
            assert client.post("/analyze/prompt", content=b"{", headers=JSON).status_code == 400
            assert client.post("/analyze/prompt", json={"prompt": "a" * 300_000}).status_code == 413
            assert client.post("/analyze/prompt", json={"prompt": "fine"}).json()["is_valid"] is True
