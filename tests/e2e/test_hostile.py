"""Callers that bend HTTP, or send and never finish: each is turned away, and the next one is served."""

import re
import socket
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.e2e.conftest import KEY, POLICIES, TIED_KEY, configured, running

MARKER = "m4rk3r"
BODY = f'{{"prompt": "{MARKER}"}}'
SIZE = f"Content-Length: {len(BODY)}\r\n"
CHUNKED = "Transfer-Encoding: chunked\r\n"
CHUNKS = f"{len(BODY):x}\r\n{BODY}\r\n0\r\n\r\n"
HEAD = (
    f"POST /scan/prompt HTTP/1.1\r\nHost: {MARKER}\r\nContent-Type: application/json\r\nAuthorization: Bearer {KEY}\r\n"
)
SMUGGLED = "GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n"  # reads as the next request if the first ends where it may not


def connect(server):
    return socket.create_connection(("127.0.0.1", server.port), timeout=15)


def send(connection, sent):
    """Send all of it, or what the server takes before it hangs up."""
    with suppress(OSError):
        connection.sendall(sent.encode("latin-1"))


def until_closed(connection):
    """Everything that the server says until it hangs up."""
    said = bytearray()
    try:
        while piece := connection.recv(65536):
            said += piece
    except ConnectionResetError:
        pass
    return bytes(said)


def statuses(said):
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", said)]


def answers(connection, count):
    """So many answers on a connection that stays open: status, headers and body of each."""
    said, found = b"", []
    while len(found) < count:
        piece = connection.recv(65536)
        assert piece, f"hung up after {len(found)} answers"
        said += piece
        while match := re.match(rb"HTTP/1\.1 (\d{3}) .*?\r\n(.*?)\r\n\r\n", said, re.DOTALL):
            length = int(re.search(rb"content-length: (\d+)", match[2], re.IGNORECASE)[1])
            if len(said) < match.end() + length:
                break
            found.append((int(match[1]), match[2].lower(), said[match.end() : match.end() + length]))
            said = said[match.end() + length :]
    return found


def assert_serves(server):
    """The next caller is served, and nothing that was sent is in the log."""
    assert server.post("/scan/prompt", json={"prompt": "ATTACK"}).json()["is_valid"] is False
    assert server.process.poll() is None
    assert MARKER not in server.output
    assert KEY not in server.output


# What a server and the proxy before it could understand differently.
AMBIGUOUS = {
    "length and chunks": f"{HEAD}{SIZE}{CHUNKED}\r\n{CHUNKS}",
    "chunks and length": f"{HEAD}{CHUNKED}Content-Length: 4\r\n\r\n{CHUNKS}",
    "two encodings": f"{HEAD}{CHUNKED}Transfer-Encoding: {MARKER}\r\n\r\n{CHUNKS}",
    "chunked twice": f"{HEAD}Transfer-Encoding: chunked, chunked\r\n\r\n{CHUNKS}",
    "almost chunked": f"{HEAD}Transfer-Encoding: xchunked\r\n\r\n{CHUNKS}",
    "chunked behind a vertical tab": f"{HEAD}Transfer-Encoding: \x0bchunked\r\n\r\n{CHUNKS}",
    "chunked before something else": f"{HEAD}Transfer-Encoding: chunked, identity\r\n\r\n{CHUNKS}",
    "an encoding without chunks": f"{HEAD}{SIZE}Transfer-Encoding: identity\r\n\r\n{BODY}",
    "a space before the colon": f"{HEAD}Transfer-Encoding : chunked\r\n\r\n{CHUNKS}",
    "chunks in HTTP/1.0": f"{HEAD}{CHUNKED}\r\n{CHUNKS}".replace("HTTP/1.1", "HTTP/1.0"),
    "two lengths": f"{HEAD}{SIZE}Content-Length: 4\r\n\r\n{BODY}",
    "two equal lengths": f"{HEAD}{SIZE}{SIZE}\r\n{BODY}",
    "a list of lengths": f"{HEAD}Content-Length: {len(BODY)}, {len(BODY)}\r\n\r\n{BODY}",
    "a length with a sign": f"{HEAD}Content-Length: +{len(BODY)}\r\n\r\n{BODY}",
    "a negative length": f"{HEAD}Content-Length: -1\r\n\r\n{BODY}",
    "a hexadecimal length": f"{HEAD}Content-Length: 0x{len(BODY):x}\r\n\r\n{BODY}",
    "a length with an underscore": f"{HEAD}Content-Length: 1_0\r\n\r\n{BODY}",
    "an immense length": f"{HEAD}Content-Length: {'9' * 100}\r\n\r\n{BODY}",
    "a length of 5,000 digits": f"{HEAD}Content-Length: {'9' * 5000}\r\n\r\n{BODY}",
    "a negative chunk": f"{HEAD}{CHUNKED}\r\n-1\r\n\r\n",
    "a chunk with a prefix": f"{HEAD}{CHUNKED}\r\n0x{CHUNKS}",
    "a chunk with a space": f"{HEAD}{CHUNKED}\r\n {CHUNKS}",
    "a chunk without a size": f"{HEAD}{CHUNKED}\r\n\r\n{BODY}\r\n0\r\n\r\n",
    "a chunk that is longer than it says": f"{HEAD}{CHUNKED}\r\n3\r\n{BODY}\r\n0\r\n\r\n",
    "an immense chunk": f"{HEAD}{CHUNKED}\r\n{'f' * 20}\r\n{BODY}",
    "an immense size of a chunk": f"{HEAD}{CHUNKED}\r\n{'f' * 20_000}\r\n{BODY}",
    "chunks with bare line feeds": f"{HEAD}{CHUNKED}\r\n" + CHUNKS.replace("\r\n", "\n"),
    "a line feed in an extension": f"{HEAD}{CHUNKED}\r\n5;a\nb\r\n{CHUNKS}",
    "a trailer with a credential": f"{HEAD}{CHUNKED}\r\n{CHUNKS[:-2]}Authorization: Bearer {MARKER}\r\n\r\n",
    "bare line feeds": f"{HEAD}{SIZE}\r\n".replace("\r\n", "\n") + BODY,
    "one bare line feed": f"{HEAD}X: a\nContent-Length: 4\r\n{SIZE}\r\n{BODY}",
    "a bare carriage return": f"{HEAD}X: a\rContent-Length: 4\r\n{SIZE}\r\n{BODY}",
    "a folded header": f"{HEAD}X: a\r\n {MARKER}\r\n{SIZE}\r\n{BODY}",
    "a header without a colon": f"{HEAD}{MARKER}\r\n{SIZE}\r\n{BODY}",
    "a zero in a header": f"{HEAD}X: {MARKER}\0\r\n{SIZE}\r\n{BODY}",
    "two hosts": f"{HEAD}Host: {MARKER}\r\n{SIZE}\r\n{BODY}",
    "HTTP/0.9": f"GET /{MARKER}\r\n\r\n",
    "HTTP/1.2": f"GET /{MARKER} HTTP/1.2\r\n\r\n",
    "HTTP/2": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + "\0\0\0\4\0\0\0\0\0",
    "a WebSocket": "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    "a method with a control character": f"P\x01ST /{MARKER} HTTP/1.1\r\nHost: a\r\n\r\n",
    "a path with a line feed": f"GET /{MARKER}\n HTTP/1.1\r\nHost: a\r\n\r\n",
    "10,000 headers": HEAD + f"X-{MARKER}: a\r\n" * 10_000 + f"{SIZE}\r\n{BODY}",
    "10,000 trailers": f"{HEAD}{CHUNKED}\r\n{CHUNKS[:-2]}" + f"X-{MARKER}: a\r\n" * 10_000 + "\r\n",
    "a header of a megabyte": f"{HEAD}X: {MARKER}{'a' * 1_000_000}\r\n{SIZE}\r\n{BODY}",
    "a path of a megabyte": f"GET /{MARKER}{'a' * 1_000_000} HTTP/1.1\r\nHost: a\r\n\r\n",
    "nothing but empty lines": "\r\n" * 500_000,
}  # fmt: skip


@pytest.mark.parametrize("shape", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_what_can_be_read_in_two_ways_is_refused_and_hung_up_on(server, shape):
    with connect(server) as connection:
        send(connection, shape + SMUGGLED)
        said = until_closed(connection)
    assert len(statuses(said)) <= 1
    assert all(400 <= status < 600 for status in statuses(said))
    assert b"alive" not in said
    assert_serves(server)


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (f"POST http://{MARKER}/scan/prompt", 404),
        (f"POST https://test/scan/prompt?{MARKER}", 404),
        ("POST /../scan/prompt", 404),
        ("POST /scan//prompt", 404),
        ("POST /scan/prompt%0d%0aX:%20b", 404),
        ("OPTIONS *", 404),
        ("TRACE /scan/prompt", 405),
    ],
)
def test_a_strange_target_is_refused_and_the_next_request_of_the_connection_is_served(server, line, status):
    with connect(server) as connection:
        send(connection, f"{line} HTTP/1.1\r\nHost: {MARKER}\r\n{SIZE}\r\n{BODY}{SMUGGLED}")
        refused, served = answers(connection, 2)
    assert (refused[0], served[0]) == (status, 200)
    assert b"alive" in served[2]
    assert_serves(server)


def test_a_header_of_the_caller_makes_none_in_the_answer(server):
    plain, injected = "", "X-Request-Id: a%0d%0aSet-Cookie: b\r\nX-Request-Id: a\tSet-Cookie: b\r\n"
    with connect(server) as connection:
        for extra in (plain, injected):
            send(connection, f"{HEAD}{extra}{SIZE}\r\n{BODY}")
        said = answers(connection, 2)
    names = [re.findall(rb"^([a-z-]+):", headers, re.MULTILINE) for _, headers, _ in said]
    assert names[0] == names[1]
    assert b"cookie" not in said[1][1]


def test_pipelined_requests_of_two_credentials_get_their_own_answers(server):
    asked = []
    for number in range(60):
        callers = [(KEY, "default"), ("wrong-" + KEY, None), (TIED_KEY, "brief")]
        key, policy = callers[number % 3 if number < 12 else number % 2]  # four scans of the slow policy are enough
        text = f"Ada {'ATTACK' if number % 2 else 'fine'} {number}"
        asked.append((key, policy, number, text))
    with connect(server) as connection:
        for key, _, number, text in asked:
            body = f'{{"prompt": "{text}"}}'
            send(
                connection,
                "POST /analyze/prompt HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                f"Authorization: Bearer {key}\r\nX-Request-Id: n{number}\r\n"
                f"Content-Length: {len(body)}\r\n\r\n{body}",
            )
        said = answers(connection, len(asked))
    for (_, policy, number, text), (status, headers, body) in zip(asked, said, strict=True):
        assert f"x-request-id: n{number}\r\n".encode() in headers + b"\r\n"
        if policy is None:
            assert (status, text.encode() in body) == (401, False)
        else:
            assert f'"policy":"{policy}"'.encode() in body
            sanitized = text if policy == "brief" else text.replace("Ada", "[PERSON_1]")
            assert f'"sanitized_prompt":"{sanitized}"'.encode() in body


def test_callers_that_hang_up_in_the_middle_of_a_body_leave_nothing_behind(server):
    before = len([line for line in server.logged("answered") if line["status"] == 499])
    for _ in range(50):
        with connect(server) as connection:
            send(connection, f"{HEAD}{SIZE}\r\n{BODY[:9]}")
    until = time.monotonic() + 10
    while len([line for line in server.logged("answered") if line["status"] == 499]) < before + 50:
        assert time.monotonic() < until
        time.sleep(0.05)
    assert "scanner_requests_in_flight 0.0" in server.get("/metrics").text
    assert_serves(server)


def test_a_body_that_drips_is_given_up_in_time(server):
    with connect(server) as connection:
        started = time.perf_counter()
        send(connection, f"{HEAD}{SIZE}\r\n")
        connection.settimeout(0.1)
        said = b""
        for piece in BODY:
            send(connection, piece)
            try:
                said = connection.recv(65536)
                break
            except TimeoutError:
                pass
    assert statuses(said) == [408]
    assert 1.0 <= time.perf_counter() - started < 1.6


def test_a_header_that_drips_into_a_kept_connection_is_given_up_in_time(tmp_path):
    environment = configured(tmp_path, POLICIES) | {"GUNICORN_CMD_ARGS": "--keep-alive=1"}
    with running(tmp_path, environment) as server, connect(server) as connection:
        send(connection, SMUGGLED)
        answers(connection, 1)
        started = time.perf_counter()
        connection.settimeout(0.1)
        while time.perf_counter() - started < 5:
            send(connection, "G" if time.perf_counter() - started < 0.1 else "E")
            try:
                assert connection.recv(1) == b""
                break
            except (TimeoutError, ConnectionResetError):
                pass
        assert 0.9 <= time.perf_counter() - started < 3
        assert_serves(server)


def resident_mib(server):
    worker = re.findall(r"Booting worker with pid: (\d+)", server.output)[-1]
    status = Path(f"/proc/{worker}/status")
    if not status.exists():
        pytest.skip("no /proc: only Linux tells the memory of a process so")
    return int(re.search(r"VmRSS:\s+(\d+) kB", status.read_text())[1]) / 1024


def test_what_is_held_of_hostile_callers_is_bounded(server):
    floods = [
        f"{HEAD}X: " + "a" * 2_000_000,
        HEAD + "X: a\r\n" * 200_000,
        f"{HEAD}Content-Length: 2000000\r\n\r\n" + "a" * 2_000_000,
        f"{HEAD}{CHUNKED}\r\n" + "1\r\na\r\n" * 300_000,
        f"{HEAD.replace(KEY, 'wrong')}{CHUNKED}\r\n" + "8\r\naaaaaaaa\r\n" * 150_000,
        SMUGGLED * 50_000,
    ]
    for flood in floods:  # what the first of each kind costs once
        with connect(server) as connection:
            connection.settimeout(0.5)
            send(connection, flood[:100_000])
    before = resident_mib(server)
    with ExitStack() as opened:
        idle = [opened.enter_context(connect(server)) for _ in range(200)]
        for connection in idle[:100]:
            send(connection, "POST /scan/prompt HTTP/1.1\r\nX: " + MARKER)
        flooding = floods * 8
        for flood in flooding:
            connection = opened.enter_context(connect(server))
            connection.settimeout(0.5)
            send(connection, flood)
        assert_serves(server)  # beside all of them
        held = resident_mib(server) - before
    # Twice 16 KiB of requests, or the answers to them, nine times as long, and their objects: half a MiB each.
    assert held < len(flooding) / 2


def test_a_body_in_many_tiny_pieces_is_refused_and_one_in_many_small_ones_read(server):
    text = MARKER * 10_000
    for piece, status in (("1\r\n{}\r\n", 400), ("e\r\n{}\r\n", 200)):
        size = int(piece[0], 16)
        body = f'{{"prompt": "{text}"}}'
        chunks = "".join(piece.format(body[at : at + size]) for at in range(0, len(body) // size * size, size))
        rest = len(body) % size
        end = (f"{rest:x}\r\n{body[-rest:]}\r\n" if rest else "") + "0\r\n\r\n"
        with connect(server) as connection:
            send(connection, f"{HEAD}{CHUNKED}\r\n{chunks}{end}")
            assert statuses(connection.recv(65536)) == [status]
    assert_serves(server)
