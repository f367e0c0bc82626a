"""The running server under load, at its limits, and when it is told to stop."""

import hashlib
import re
import shlex
import signal
import socket
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx2
import pytest

from scanner_service.connections import HEADER_SECONDS
from tests.e2e.conftest import KEY, MANIFEST, POLICIES, configured, running

AUTHORIZED = {"authorization": f"Bearer {KEY}"}


def timed(call):
    started = time.perf_counter()
    return call(), time.perf_counter() - started


def test_two_hundred_requests_at_once_are_all_answered_rightly(server):
    texts = [("ATTACK " if number % 3 == 0 else "fine ") + str(number) for number in range(200)]
    limits = httpx2.Limits(max_connections=200)
    with httpx2.Client(base_url=server.url, headers=AUTHORIZED, limits=limits, timeout=30) as client:
        with ThreadPoolExecutor(200) as threads:
            answers = list(threads.map(lambda text: client.post("/analyze/prompt", json={"prompt": text}), texts))
    assert [answer.status_code for answer in answers] == [200] * 200
    for text, answer in zip(texts, answers, strict=True):
        assert answer.json()["sanitized_prompt"] == text
        assert answer.json()["is_valid"] is not text.startswith("ATTACK")


def test_a_span_cuts_out_exactly_what_was_found(server):
    text = "é\U0001f600 \u202eה ATTACK \x00 Ada"
    answer = server.post("/analyze/prompt", json={"prompt": text}).json()
    found = [(text[one["start"] : one["end"]]) for result in answer["results"] for one in result["findings"]]
    assert found == ["ATTACK", "Ada"]
    assert answer["sanitized_prompt"] == text.replace("Ada", "[PERSON_1]")


def test_the_deadline_is_kept_by_the_clock_of_the_caller(server):
    seconds = []
    for _ in range(4):
        response, took = timed(lambda: server.post("/analyze/prompt", json={"prompt": "a", "policy": "slow"}))
        assert (response.status_code, response.json()["error"]["code"]) == (504, "deadline_exceeded")
        assert response.json()["is_valid"] is False
        seconds.append(took)
        time.sleep(0.5)  # the sleeper of a scan that was given up wakes
    assert min(seconds) >= 1.0
    assert statistics.median(seconds) < 1.05 + connecting(server)


def connecting(server):
    """What a connection and an answer cost by themselves on this machine, now."""
    return statistics.median(timed(lambda: server.get("/healthz"))[1] for _ in range(9))


def test_work_whose_caller_hung_up_leaves_the_queue(server):
    body = b'{"prompt": "a", "policy": "brief"}'
    head = (
        f"POST /scan/prompt HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {KEY}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    connections = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(20)]
    for connection in connections:
        connection.sendall(head.encode() + body)
    time.sleep(0.1)
    before = len([line for line in server.logged("answered") if line["status"] == 499])
    for connection in connections:
        connection.close()
    # In the queue of two threads, 20 scans of 0.3 s would take longer than the deadline of this one.
    response, seconds = timed(lambda: server.post("/scan/prompt", json={"prompt": "a", "policy": "brief"}))
    assert response.status_code == 200
    assert seconds < 0.95
    gone = len([line for line in server.logged("answered") if line["status"] == 499]) - before
    assert gone == 20


def test_a_saturated_server_turns_away_at_once_and_stays_alive(tmp_path):
    policies = {"default": [{"name": "busy", "kind": "busy", "options": {"seconds": 0.2}}]}
    limits = {"max_concurrent_requests": 16, "retry_after_seconds": 7}
    stop = threading.Event()
    refused: list[tuple[httpx2.Response, float]] = []

    def load():
        with httpx2.Client(base_url=server.url, headers=AUTHORIZED, timeout=30) as client:
            while not stop.is_set():
                response, seconds = timed(lambda: client.post("/analyze/prompt", json={"prompt": "a"}))
                if response.status_code == 503:
                    refused.append((response, seconds))
                    stop.wait(0.3)

    with running(tmp_path, configured(tmp_path, policies, scan_timeout_seconds=20, limits=limits)) as server:
        with ThreadPoolExecutor(24) as threads, httpx2.Client(base_url=server.url) as prober:
            for _ in range(24):
                threads.submit(load)
            time.sleep(0.5)
            # The machine may be busy elsewhere: one undisturbed series shows what the service does.
            alive, median = [], 1.0
            while median >= 0.020 and len(alive) < 240:
                series = [timed(lambda: prober.get("/healthz")) for _ in range(60) if not time.sleep(0.02)]
                median = statistics.median(seconds for _, seconds in series)
                alive += series
            stop.set()
        assert all(response.status_code == 200 for response, _ in alive)
        assert median < 0.020
        assert len(refused) > 8
        # A place would be free after a second or two; the clients of 24 threads take a while themselves.
        assert statistics.median(seconds for _, seconds in refused) < 0.5
        for response, _ in refused:
            assert (response.headers["retry-after"], response.json()["is_valid"]) == ("7", False)
            assert response.json()["error"]["code"] == "overloaded"


def test_requests_in_flight_finish_when_the_server_is_told_to_stop(tmp_path):
    policies = {"default": [{"name": "brief", "kind": "sleeping", "options": {"seconds": 0.2}}]}
    with running(tmp_path, configured(tmp_path, policies)) as server:
        with ThreadPoolExecutor(10) as threads:
            calls = [
                threads.submit(server.post, "/analyze/prompt", json={"prompt": str(number)}) for number in range(10)
            ]
            time.sleep(0.5)  # two have been answered, two are being scanned, six wait
            server.process.send_signal(signal.SIGTERM)
            answers = [call.result() for call in calls]
        assert [answer.json()["sanitized_prompt"] for answer in answers] == [str(number) for number in range(10)]
        assert server.process.wait(10) == 0
        assert not re.search("traceback|exception", server.output, re.IGNORECASE)


def test_a_stopping_worker_is_not_ready(tmp_path):
    policies = {"default": [{"name": "brief", "kind": "sleeping", "options": {"seconds": 2}}]}
    with running(tmp_path, configured(tmp_path, policies)) as server:
        with ThreadPoolExecutor(1) as threads, httpx2.Client(base_url=server.url) as kept:
            assert kept.get("/readyz").status_code == 200
            call = threads.submit(server.post, "/analyze/prompt", json={"prompt": "a"})
            time.sleep(0.2)
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            assert kept.get("/readyz").status_code == 503
            assert call.result().status_code == 200


def test_workers_share_their_counters(tmp_path):
    environment = configured(tmp_path, POLICIES) | {"SCANNER_WORKERS": "2"}
    with running(tmp_path, environment) as server:
        for _ in range(40):
            server.post("/analyze/prompt", json={"prompt": "ATTACK"})
        pattern = r'^scanner_scans_total{direction="prompt",policy="default",verdict="blocked"} (\S+)$'
        read = [re.findall(pattern, server.get("/metrics").text, re.MULTILINE) for _ in range(6)]
        assert read == [["40.0"]] * 6


def test_a_unix_socket_is_for_its_group_only(tmp_path):
    path = tmp_path / "scanner.sock"
    environment = configured(tmp_path, POLICIES) | {"SCANNER_BIND": f"127.0.0.1:0,unix:{path}"}
    with running(tmp_path, environment) as server:
        with httpx2.Client(transport=httpx2.HTTPTransport(uds=str(path)), headers=AUTHORIZED) as client:
            assert client.post("http://localhost/analyze/prompt", json={"prompt": "ATTACK"}).json()["is_valid"] is False
        assert path.stat().st_mode & 0o777 == 0o770
        assert server.get("/healthz").status_code == 200
    assert not path.exists()


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({"SCANNER_API_KEYS": ""}, "there is no API key"),
        ({"SCANNER_API_KEYS": "short"}, "at least 16 characters"),
        ({"SCANNER_BIND": "nowhere"}, "SCANNER_BIND: `nowhere`"),
        ({"SCANNER_BIND": "http://127.0.0.1:0"}, "SCANNER_BIND: `http://127.0.0.1:0` is neither `host:port`, such as "),
        ({"SCANNER_WORKERS": "many"}, "SCANNER_WORKERS"),
        ({"SCANNER_CONFIG": "/nowhere.yaml"}, "/nowhere.yaml: cannot be read"),
        ({"SCANNER_MODELS": "/nowhere.toml"}, "/nowhere.toml: cannot be read"),
    ],
)
def test_a_wrong_setting_ends_the_start_with_one_clear_line(tmp_path, environment, reason):
    with pytest.raises(RuntimeError, match="the server ended at start with 2") as error:
        with running(tmp_path, configured(tmp_path, POLICIES) | environment):
            pass
    said = str(error.value).splitlines()[1:]
    assert len(said) == 1, said
    assert said[0].startswith("scanner-service: ")
    assert reason in said[0]


def test_a_port_that_is_taken_is_said_at_once_and_nothing_else(tmp_path, server):
    address = f"127.0.0.1:{server.port}"
    environment = configured(tmp_path, POLICIES) | {"SCANNER_BIND": address, "SCANNER_API_KEYS": ""}
    with pytest.raises(RuntimeError, match="the server ended at start with 2") as error:
        with running(tmp_path, environment, "--make-key"):
            pass
    said = f"scanner-service: SCANNER_BIND: cannot listen on `{address}`: Address already in use"
    assert str(error.value).splitlines()[1:] == [said]


def test_where_it_listens_is_said_when_it_does(server):
    assert f"\nlistening on {server.url}\n" in server.output


NEEDS_A_MODEL = {
    "default": [{"name": "one", "kind": "classifier", "options": {"model": "unused", "labels": ["NOTHING"]}}]
}


def test_a_model_with_another_digest_ends_the_start_before_a_worker_is_made(tmp_path):
    environment = configured(tmp_path, NEEDS_A_MODEL)
    content = b"not what was released"
    (tmp_path / "unused.onnx").write_bytes(content)
    digests = f"its SHA-256 is {hashlib.sha256(content).hexdigest()}, the manifest says {'0' * 64}"
    with pytest.raises(RuntimeError, match=rf"scanner-service: .*unused\.onnx: {digests}") as error:
        with running(tmp_path, environment):
            pass
    assert len(str(error.value).splitlines()) == 2


def test_a_worker_that_cannot_load_its_model_ends_the_server_and_says_why(tmp_path):
    environment = configured(tmp_path, NEEDS_A_MODEL)
    content = b"neither a model nor a tokenizer"
    for name in ("unused.onnx", "tokenizer.json"):
        (tmp_path / name).write_bytes(content)
    (tmp_path / "manifest.toml").write_text(MANIFEST.replace("0" * 64, hashlib.sha256(content).hexdigest()))
    with pytest.raises(RuntimeError, match="the server ended at start") as error:
        with running(tmp_path, environment):
            pass
    assert '"message":"cannot start","reason":"' in str(error.value)
    assert "manifest.toml: model `unused`" in str(error.value)
    assert "Traceback" not in str(error.value)


def test_a_key_is_made_on_request_and_printed_with_a_command_that_works(tmp_path):
    environment = configured(tmp_path, POLICIES) | {"SCANNER_API_KEYS": ""}
    with running(tmp_path, environment, "--make-key") as server:
        printed = server.output.split("\n\n", 2)[1]
        key = re.search(r"Bearer (\S+)'", printed)[1]
        assert server.post("/analyze/prompt", key, json={"prompt": "ATTACK"}).json()["is_valid"] is False
        program, url, *options = shlex.split(printed.replace("\\\n", ""))
        assert (program, options[0::2]) == ("curl", ["-H", "-H", "-d"])
        headers = dict(header.split(": ", 1) for header in options[1:4:2])
        url = url.replace(":0/", f":{server.port}/")
        answer = httpx2.post(url, headers=headers, content=options[5].replace("Ignore", "ATTACK"))
        assert answer.json()["is_valid"] is False
    assert key not in "".join(line for line in server.output.splitlines() if line.startswith("{"))


def test_a_caller_that_does_not_say_what_it_wants_is_hung_up_on(server):
    def wait(said):
        with socket.create_connection(("127.0.0.1", server.port), timeout=HEADER_SECONDS + 5) as connection:
            connection.sendall(said)
            return timed(lambda: connection.recv(1))

    with ThreadPoolExecutor() as threads:
        waited = list(threads.map(wait, [b"", b"POST /analyze/prompt HTTP/1.1\r\nHost: te"]))
    assert [received for received, _ in waited] == [b"", b""]
    assert all(HEADER_SECONDS - 0.5 < seconds < HEADER_SECONDS + 3 for _, seconds in waited)


def test_connections_over_the_limit_are_hung_up_on_and_the_others_served(tmp_path):
    asked = b"GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n"
    environment = configured(tmp_path, POLICIES) | {"GUNICORN_CMD_ARGS": "--worker-connections=20"}
    with running(tmp_path, environment) as server, ExitStack() as opened:
        address = ("127.0.0.1", server.port)
        kept = [opened.enter_context(socket.create_connection(address, timeout=10)) for _ in range(20)]
        for connection in kept:
            connection.sendall(asked)
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        with socket.create_connection(address, timeout=10) as one_too_many:
            assert one_too_many.recv(1) == b""
        for connection in kept:
            connection.sendall(asked)
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
