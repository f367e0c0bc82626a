"""A local server that speaks OpenAI's format, and says what the tests need an LLM to say."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from scanner_client import AsyncClient, Client


@dataclass
class FakeLLM:
    """
    Repeats the last message; insults whoever asks for it; calls a tool if there is one.

    Attributes:
        bodies: what it was sent.
        says: what it answers instead, whatever it is asked; a list is streamed.
    """

    url: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    says: dict[str, Any] | list[dict[str, Any]] | None = None

    @property
    def seen(self) -> str:
        return json.dumps(self.bodies)

    def words(self, body: dict[str, Any]) -> str:
        last = body["messages"][-1]["content"] if "messages" in body else body["input"]
        if isinstance(last, list):
            last = last[-1].get("text") or last[-1]["content"]
            last = last if isinstance(last, str) else last[-1]["text"]
        return "You idiot" if "insult" in last else f"You said: {last}"


CREATED = {"created": 1, "model": "gpt-4o-mini"}  # one whose price LiteLLM knows
USAGE = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}


def _tool_calls(words: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    called = any(message["role"] == "tool" for message in body["messages"])
    if not body.get("tools") or called:
        return []
    arguments = json.dumps({"to": words})
    name = body["tools"][0]["function"]["name"]
    return [{"id": "call_1", "type": "function", "function": {"name": name, "arguments": arguments}}]


def _completion(llm: FakeLLM, body: dict[str, Any]) -> dict[str, Any]:
    words = llm.words(body)
    calls = _tool_calls(words, body)
    return completion(**({"content": None, "tool_calls": calls} if calls else {"content": words}))


def completion(**message: Any) -> dict[str, Any]:
    """A chat completion with *message*."""
    finish = "tool_calls" if message.get("tool_calls") else "stop"
    choice = {"index": 0, "message": {"role": "assistant"} | message, "finish_reason": finish}
    return CREATED | {"id": "c-1", "object": "chat.completion", "choices": [choice], "usage": USAGE}


def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    """A chunk of a streamed chat completion."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return CREATED | {"id": "c-1", "object": "chat.completion.chunk", "choices": [choice]}


def _chunks(llm: FakeLLM, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    words = llm.words(body)
    calls = _tool_calls(words, body)
    yield chunk({"role": "assistant", "content": ""})
    for call in calls:
        arguments = call["function"]["arguments"]
        yield chunk({"tool_calls": [call | {"index": 0, "function": call["function"] | {"arguments": ""}}]})
        for at in range(0, len(arguments), 5):
            yield chunk({"tool_calls": [{"index": 0, "function": {"arguments": arguments[at : at + 5]}}]})
    for at in range(0, 0 if calls else len(words), 5):
        yield chunk({"content": words[at : at + 5]})
    yield chunk({}, "tool_calls" if calls else "stop")
    yield CREATED | {"id": "c-1", "object": "chat.completion.chunk", "choices": [], "usage": USAGE}


def _response(words: str) -> dict[str, Any]:
    part = {"type": "output_text", "text": words, "annotations": []}
    return response({"id": "m-1", "type": "message", "role": "assistant", "status": "completed", "content": [part]})


def response(*output: dict[str, Any], status: str = "completed") -> dict[str, Any]:
    """A response with the items of *output*."""
    fixed = {"parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "created_at": 1, "model": "fake-1"}
    return fixed | {"id": "r-1", "object": "response", "status": status, "output": list(output)}


def _events(words: str) -> Iterator[dict[str, Any]]:
    at = {"item_id": "m-1", "output_index": 0, "content_index": 0}
    part = {"type": "output_text", "text": words, "annotations": []}
    yield {"type": "response.created", "response": response(status="in_progress")}
    yield {
        "type": "response.output_item.added",
        "output_index": 0,
        "item": _response("")["output"][0] | {"content": []},
    }
    yield at | {"type": "response.content_part.added", "part": part | {"text": ""}}
    for start in range(0, len(words), 5):
        yield at | {"type": "response.output_text.delta", "delta": words[start : start + 5], "logprobs": []}
    yield at | {"type": "response.output_text.done", "text": words, "logprobs": []}
    yield at | {"type": "response.content_part.done", "part": part}
    yield {"type": "response.output_item.done", "output_index": 0, "item": _response(words)["output"][0]}
    yield {"type": "response.completed", "response": _response(words)}


@pytest.fixture
def fake_llm() -> Iterator[FakeLLM]:
    """The server; its `url` ends with `/v1`."""
    told = FakeLLM()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"] or 0)) or "{}")
            told.bodies.append(body)
            if isinstance(told.says, list):
                self.stream(iter(told.says), "data: [DONE]\n\n")
            elif told.says is not None:
                self.answer(told.says)
            elif self.path.endswith("/embeddings"):
                data = [{"object": "embedding", "index": 0, "embedding": [0.0, 1.0]}]
                self.answer({"object": "list", "data": data, "model": "fake-1", "usage": USAGE})
            elif self.path.endswith("/moderations"):
                self.answer({"id": "m-1", "model": "fake-1", "results": []})
            elif self.path.endswith("/responses"):
                words = told.words(body)
                self.stream(_events(words), "") if body.get("stream") else self.answer(_response(words))
            elif body.get("stream"):
                self.stream(_chunks(told, body), "data: [DONE]\n\n")
            else:
                self.answer(_completion(told, body))

        def do_GET(self) -> None:
            self.answer(told.says)

        def answer(self, data: dict[str, Any]) -> None:
            content = json.dumps(data).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def stream(self, events: Iterator[dict[str, Any]], end: str) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.send_header("connection", "close")
            self.end_headers()
            for number, event in enumerate(events):
                name = f"event: {event['type']}\n" if "type" in event else ""
                extra = {"sequence_number": number} if name else {}
                self.wfile.write(f"{name}data: {json.dumps(event | extra)}\n\n".encode())
            self.wfile.write(end.encode())

        def log_message(self, *arguments: Any) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        told.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield told
        server.shutdown()


@pytest.fixture
def scanner(server: Any, server_key: str) -> Iterator[Client]:
    """A client of the real service."""
    with Client(server.url, server_key) as client:
        yield client


@pytest.fixture
def run_async(server: Any, server_key: str) -> Any:
    """Runs a coroutine function with an asynchronous client of the real service."""

    def run(use: Any) -> Any:
        async def main() -> Any:
            async with AsyncClient(server.url, server_key) as client:
                return await use(client)

        return asyncio.run(main())

    return run
