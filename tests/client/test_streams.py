"""Outputs in pieces: what is safe is shown while the rest is still being written."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest

from scanner_client import (
    AsyncClient,
    Client,
    InvalidRequest,
    MaliciousOutput,
    PromptAnalysis,
    TimedOut,
    Unavailable,
    UnexpectedAnswer,
)
from scanner_client.streams import PIECE_CHARACTERS, Transcript
from scanner_client.testing import FakeScanner, blocked, failing, redacted
from scanner_client.usage import Usage

GOOD = {"is_valid": True, "scanners": {}, "sanitized_output": ""}
BAD = {"is_valid": False, "blocked": True, "scanners": {"toxicity": 0.9}, "sanitized_output": ""}


class StreamServer:
    """Speaks the contract: sentences are shown once they are whole, one with "idiot" in it ends the stream."""

    def __init__(self) -> None:
        self.lines: list[dict[str, str]] = []
        self.head = ""
        self.mode = "echo"
        self.arrived = threading.Event()
        self.writers: list[asyncio.StreamWriter] = []

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Coroutine[Any, Any, None]:
        self.writers.append(writer)  # at once: a task that is cancelled before it begins would leave it open
        return self.serve(reader, writer)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ValueError), contextlib.closing(writer):
            await self.respond(reader, writer)
            await writer.drain()

    async def respond(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.head = (await reader.readuntil(b"\r\n\r\n")).decode()
        if self.mode == "refuse":
            body = json.dumps({"is_valid": False, "error": {"code": "invalid_request", "message": "no"}})
            writer.write(f"HTTP/1.1 422 No\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode())
        else:
            writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            await self.answer(reader, writer)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held = ""
        async for line in self.read(reader):
            self.lines.append(line)
            self.arrived.set()
            held += line.get("delta", "")
            if self.mode == "silent":
                continue
            if "idiot" in held:
                self.write(writer, BAD)
                return
            whole, dot, held = held.rpartition(".")
            if whole + dot:
                self.write(writer, {"text": whole + dot})
                await writer.drain()
        if self.mode == "silent":
            await asyncio.sleep(20)
        while self.mode == "drip":
            self.write(writer, {"text": "."})
            await writer.drain()
            await asyncio.sleep(0.1)
        if self.mode == "break off":
            return
        if held:
            self.write(writer, {"text": held})
        self.write(writer, GOOD, last=True)

    def write(self, writer: asyncio.StreamWriter, data: object, *, last: bool = False) -> None:
        line = json.dumps(data).encode() + b"\n"
        half = len(line) // 2  # a line may come in two chunks
        for part in (line[:half], line[half:]):
            writer.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
        if last or data is BAD:
            writer.write(b"0\r\n\r\n")

    async def read(self, reader: asyncio.StreamReader) -> AsyncIterator[dict[str, str]]:
        rest = b""
        while size := int(await reader.readline(), 16):
            rest += await reader.readexactly(size)
            await reader.readline()
            *lines, rest = rest.split(b"\n")
            for line in lines:
                yield json.loads(line)


@contextmanager
def serving(told: StreamServer, tls: ssl.SSLContext | None = None, socket: str | None = None) -> Iterator[str]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    starting = (
        asyncio.start_unix_server(told.accept, socket)
        if socket
        else asyncio.start_server(told.accept, "127.0.0.1", 0, ssl=tls)
    )
    server = asyncio.run_coroutine_threadsafe(starting, loop).result(5)
    port = None if socket else server.sockets[0].getsockname()[1]

    async def stop() -> None:
        await asyncio.sleep(0.05)
        while any("_accept" in repr(task.get_coro()) for task in asyncio.all_tasks()):
            await asyncio.sleep(0.01)  # what is being accepted would be lost to a closed server, unclosed
        server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in told.writers:
            writer.transport.abort()
        await asyncio.gather(*(writer.wait_closed() for writer in told.writers), return_exceptions=True)
        await asyncio.sleep(0.05)  # connections are let go of in the turns of the loop after their closing

    try:
        yield f"unix://{socket}" if socket else f"http://localhost:{port}"
    finally:
        asyncio.run_coroutine_threadsafe(stop(), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()


@pytest.fixture
def told():
    return StreamServer()


@pytest.fixture(params=["sync", "async"])
def stream(request):
    """A function from (url, pieces, options) to the list of texts, and what is raised after them."""

    def run(url, pieces, *, timeout=5.0, **options):
        shown: list[str] = []
        error = None
        client = Client(url, "key", timeout=timeout)
        try:
            if request.param == "sync":
                for text in client.stream_output(pieces, **options):
                    shown += [text]
            else:

                async def main():
                    nonlocal shown
                    async with AsyncClient(url, "key", timeout=timeout) as twin:
                        async for text in twin.stream_output(pieces, **options):
                            shown += [text]

                asyncio.run(main())
        except Exception as caught:
            error = caught
        client.close()
        return "".join(shown), error

    return run


def test_safe_text_is_shown_and_the_request_says_all_there_is_to_know(told, stream):
    prompt = PromptAnalysis(is_valid=True, sanitized_prompt="Hello [P_1]", vault="v1.token")
    with serving(told) as url:
        assert stream(url, iter(["One. ", "Two", ". Th", "ree"]), prompt=prompt, policy="mild", request_id="r-9") == (
            "One. Two. Three",
            None,
        )
    assert told.lines[0] == {"prompt": "Hello [P_1]", "vault": "v1.token", "policy": "mild"}
    assert [line["delta"] for line in told.lines[1:]] == ["One. ", "Two", ". Th", "ree"]
    head = told.head.lower()
    assert head.startswith("post /analyze/output/stream http/1.1")
    for line in ("authorization: bearer key", "x-request-id: r-9", "content-type: application/x-ndjson"):
        assert line in head.split("\r\n")


def test_text_is_shown_before_the_next_piece_is_written(told):
    with serving(told) as url, Client(url) as client:
        written = []

        def pieces():
            for piece in ("One.", " Two.", " Three.", " Four."):
                written.append(piece)
                yield piece
                time.sleep(0.1)

        texts = client.stream_output(pieces())
        assert next(texts) == "One."
        assert len(written) <= 2
        assert "".join(texts) == " Two. Three. Four."

    async def main(url):
        gate = asyncio.Event()

        async def pieces():
            yield "One."
            await gate.wait()
            yield " Two."

        async with AsyncClient(url) as twin:
            texts = twin.stream_output(pieces())
            assert await anext(texts) == "One."
            gate.set()
            assert await anext(texts) == " Two."
            with pytest.raises(StopAsyncIteration):
                await anext(texts)

    with serving(told) as url:
        asyncio.run(main(url))


@pytest.mark.parametrize("injected", [False, True])
def test_the_service_is_called_once_the_llm_has_begun(told, injected):
    heads = []

    def pieces():
        time.sleep(0.1)  # the service would wait, and not for long
        heads.append(told.head)
        yield "One."

    async def use(url, http):
        async with AsyncClient(url, http_client=http) as twin:
            return [text async for text in twin.stream_output(pieces())]

    async def main(url):
        async with httpx2.AsyncClient() as http:
            return await use(url, http if injected else None)

    with serving(told) as url, httpx2.Client() as http, Client(url, http_client=http if injected else None) as client:
        assert list(client.stream_output(pieces())) == ["One."]
        told.head = ""
        assert asyncio.run(main(url)) == ["One."]
    assert heads == ["", ""]


def test_an_empty_piece_tells_that_the_llm_is_at_work(told, stream):
    with serving(told) as url:
        assert stream(url, ["One. ", "", "Two"]) == ("One. Two", None)
    assert told.lines[1:] == [{"delta": "One. "}, {"delta": ""}, {"delta": "Two"}]


def test_a_stream_that_is_left_leaves_nothing_behind(told):
    news = []

    async def pieces():
        yield "One. "
        try:
            yield "Two. "
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            raise ValueError("this LLM does not like it") from None

    async def main(url):
        asyncio.get_running_loop().set_exception_handler(lambda _, context: news.append(context))
        async with AsyncClient(url) as twin:
            async with contextlib.aclosing(twin.stream_output(pieces())) as texts:
                await anext(texts)
            assert asyncio.all_tasks() == {asyncio.current_task()}
        gc.collect()
        await asyncio.sleep(0)

    with serving(told) as url:
        asyncio.run(main(url))
    assert news == []


def test_a_malicious_output_ends_the_stream_and_the_llm_is_asked_no_more(told, stream):
    asked = []

    def pieces():
        for piece in ["Fine. ", "You idiot", *["more. "] * 100_000]:
            asked.append(piece)
            if piece == "more. ":
                time.sleep(0.005)
            yield piece

    with serving(told) as url:
        shown, error = stream(url, pieces())
    assert shown == "Fine."
    assert isinstance(error, MaliciousOutput)
    assert error.scores == {"toxicity": 0.9}
    assert len(asked) < 1000


def test_a_piece_larger_than_all_buffers_comes_through(told, stream):
    text = ("x" * 99 + ".") * 50_000
    with serving(told) as url:
        assert stream(url, [text]) == (text, None)
    assert max(len(line.get("delta", "")) for line in told.lines) <= PIECE_CHARACTERS


def test_an_early_refusal_is_told(told, stream):
    told.mode = "refuse"
    with serving(told) as url:
        shown, error = stream(url, ["x" * 10_000] * 200)
    assert shown == ""
    assert isinstance(error, InvalidRequest | Unavailable)


def test_a_refusal_names_its_code(told, stream):
    told.mode = "refuse"
    with serving(told) as url:
        _, error = stream(url, ["x"])
    assert (type(error), error.status, error.code) == (InvalidRequest, 422, "invalid_request")


def test_a_stream_that_breaks_off_is_no_verdict(told, stream):
    told.mode = "break off"
    with serving(told) as url:
        shown, error = stream(url, ["One. Two"])
    assert shown == "One."
    assert isinstance(error, Unavailable)


def test_silence_after_the_last_piece_times_out(told, stream):
    told.mode = "silent"
    with serving(told) as url:
        started = time.monotonic()
        shown, error = stream(url, ["One."], timeout=0.3)
    assert (shown, type(error)) == ("", TimedOut)
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("injected", [False, True])
def test_a_verdict_that_never_comes_times_out_while_texts_do(told, injected):
    told.mode = "drip"

    async def use():
        async with httpx2.AsyncClient() as http:
            twin = AsyncClient(url, timeout=0.5, http_client=http if injected else None)
            with pytest.raises(TimedOut):
                [text async for text in twin.stream_output(["One."])]

    with serving(told) as url:
        asyncio.run(use())
        with httpx2.Client() as http, pytest.raises(TimedOut):
            list(Client(url, timeout=0.5, http_client=http if injected else None).stream_output(["One."]))


def test_nobody_listening_is_unavailable(stream, tmp_path):
    for url in ("http://127.0.0.1:9", f"unix://{tmp_path}/none.sock"):
        shown, error = stream(url, ["One."])
        assert (shown, type(error)) == ("", Unavailable)


def test_what_the_pieces_raise_is_raised_as_it_is(told, stream):
    def pieces():
        yield "One."
        raise ConnectionResetError("the LLM went away")

    with serving(told) as url:
        _, error = stream(url, pieces())
    assert type(error) is ConnectionResetError


def test_a_unix_socket_will_do(told, stream, tmp_path):
    with serving(told, socket=str(tmp_path / "s.sock")) as url:
        assert stream(url, ["One. ", "Two"]) == ("One. Two", None)


def test_leaving_early_closes_the_connection(told):
    with serving(told) as url, Client(url) as client:
        texts = client.stream_output(["One.", " Two."] * 50)
        next(texts)
        texts.close()
    assert told.lines


def test_a_service_that_takes_nothing_is_left():
    async def use(port):
        twin = AsyncClient(f"http://127.0.0.1:{port}", timeout=0.2)
        with pytest.raises(TimedOut):
            [text async for text in twin.stream_output(["x" * 10_000_000])]

    async def main():
        with socket.create_server(("127.0.0.1", 0)) as listener:
            await use(listener.getsockname()[1])
            connection, _ = listener.accept()
            with connection, contextlib.suppress(ConnectionResetError):
                connection.settimeout(5)
                while connection.recv(1_000_000):  # blocks the loop, which could send the rest otherwise
                    pass

    asyncio.run(main())


def test_injected_transports_stream_too():
    fake = FakeScanner({"You idiot": blocked("toxicity"), "down": failing(503)})
    prompt = PromptAnalysis(is_valid=True, sanitized_prompt="x", vault=None)
    assert list(fake.client().stream_output(["Hel", "lo"], prompt=prompt)) == ["Hello"]
    with pytest.raises(MaliciousOutput, match="toxicity"):
        list(fake.client().stream_output(["You ", "idiot"]))
    with pytest.raises(Unavailable, match="503"):
        list(fake.client(on_unavailable="allow").stream_output(["down"]))
    assert fake.texts == ["Hello", "You idiot", "down"]

    async def main():
        twin = fake.async_client()
        assert [text async for text in twin.stream_output(["Hel", "lo"])] == ["Hello"]
        with pytest.raises(MaliciousOutput):
            [text async for text in twin.stream_output(["You idiot"])]

    asyncio.run(main())


def test_values_are_put_back_into_streams():
    fake = FakeScanner({"I am Ada": redacted("I am [P_1]", {"[P_1]": "Ada"})})
    client = fake.client()
    prompt = client.check_prompt("I am Ada")
    assert "".join(client.stream_output(["Hello [P", "_1]!"], prompt=prompt)) == "Hello Ada!"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("", Unavailable),
        ('{"text": "a"}\n', Unavailable),
        ('{"text": "a"', UnexpectedAnswer),
        ("<html>\n", UnexpectedAnswer),
        ('{"text": 5}\n', UnexpectedAnswer),
        ('{"other": 5}\n', UnexpectedAnswer),
        ('{"is_valid": "yes"}\n', UnexpectedAnswer),
        (json.dumps(GOOD) + '\n{"text": "more"}\n', UnexpectedAnswer),
        (json.dumps(GOOD) + "\n" + json.dumps(GOOD) + "\n", UnexpectedAnswer),
        ('{"is_valid": false, "error": {"code": "overloaded", "message": "m"}}\n', Unavailable),
        ('{"is_valid": false, "error": {"code": "audit_failed", "message": "m"}}\n', Unavailable),
        ('{"is_valid": false, "error": {"code": "deadline_exceeded", "message": "m"}}\n', TimedOut),
        ('{"is_valid": false, "error": {"code": "body_timeout", "message": "m"}}\n', TimedOut),
        ('{"is_valid": false, "error": {"code": "invalid_request", "message": "m"}}\n', InvalidRequest),
        (json.dumps(BAD) + "\n", MaliciousOutput),
        (json.dumps(BAD), MaliciousOutput),
    ],
)
def test_lines_that_are_no_good_end_are_no_verdict(lines, expected):
    transcript = Transcript()
    with pytest.raises(expected):
        _ = list(transcript.feed(lines.encode())), transcript.close()


def test_usage_counts_streams_but_not_their_time():
    fake = FakeScanner({"You idiot": blocked("toxicity"), "down": failing(503)})
    client = fake.client()
    for text in ("Hello", "You idiot", "down"):
        with pytest.raises(Exception) if text != "Hello" else pytest.MonkeyPatch.context():
            list(client.stream_output([text]))
    told = client.usage.as_dict()
    assert (told["calls"], told["scanned"], told["blocked"], told["failures"]) == (3, 2, 1, {"Unavailable": 1})
    assert told["p99_seconds"] == told["mean_seconds"] == 0


def test_a_stream_that_breaks_after_its_verdict_is_counted_once():
    usage, transcript = Usage(), Transcript()
    assert list(transcript.feed(json.dumps(BAD).encode() + b"\n")) == []
    with pytest.raises(Unavailable), usage.stream(transcript):
        raise Unavailable("the connection broke")
    told = usage.as_dict()
    assert (told["calls"], told["texts"], told["failures"]) == (1, 1, {"Unavailable": 1})


def test_the_real_server_streams_over_tcp_and_over_a_unix_socket(server_url, server_key):
    with Client(server_url, server_key) as client:
        prompt = client.check_prompt("I am Ada")
        assert "Ada" not in prompt.sanitized_prompt
        placeholder = prompt.sanitized_prompt.removeprefix("I am ")
        pieces = [f"Dear {placeholder[:4]}", f"{placeholder[4:]}, ", "this is fine. ", "Good bye."]
        assert "".join(client.stream_output(pieces, prompt=prompt)) == "Dear Ada, this is fine. Good bye."
        shown = []
        pieces_with_insult = ["Fine. ", *["More. "] * 300, "You idiot!", " Good bye."]
        with pytest.raises(MaliciousOutput, match="toxicity"):
            shown.extend(client.stream_output(pieces_with_insult))
        assert "idiot" not in "".join(shown)

    async def main():
        async with AsyncClient(server_url, server_key) as twin:
            texts = [text async for text in twin.stream_output(pieces, prompt=prompt)]
            assert "".join(texts) == "Dear Ada, this is fine. Good bye."
            with pytest.raises(MaliciousOutput, match="toxicity"):
                [text async for text in twin.stream_output(["You ", "idiot"])]

    asyncio.run(main())


def test_the_real_server_shows_text_while_pieces_still_come(server, server_key):
    async def main():
        shown = []

        async def pieces():
            for number in range(2000):
                yield f"This is sentence number {number}. "
                if shown:
                    break
                await asyncio.sleep(0.001)

        async with AsyncClient(server.url, server_key) as twin:
            async for text in twin.stream_output(pieces()):
                shown.append(text)  # noqa: PERF401  # the pieces look at it meanwhile
        return "".join(shown)

    assert 0 < len(asyncio.run(main()).split(".")) < 2000


def test_the_application_in_process_streams_too(client, with_async_client):
    prompt = client.check_prompt("I am Ada")
    pieces = [prompt.sanitized_prompt[:8], prompt.sanitized_prompt[8:]]

    async def use(twin):
        return [text async for text in twin.stream_output(pieces, prompt=prompt)]

    assert "".join(client.stream_output(pieces, prompt=prompt)) == "I am Ada"
    assert "".join(with_async_client(use)) == "I am Ada"
    with pytest.raises(InvalidRequest) as caught:
        list(client.stream_output(pieces, policy="unheard_of"))
    assert caught.value.code


def test_a_conversation_keeps_its_placeholders(client):
    first = client.check_prompt("I am Ada")
    second = client.check_prompt("Ada again", previous=first)
    assert second.sanitized_prompt.split()[0] == first.sanitized_prompt.split()[-1]
    assert client.check_output(first.sanitized_prompt, prompt=second).sanitized_output == "I am Ada"
