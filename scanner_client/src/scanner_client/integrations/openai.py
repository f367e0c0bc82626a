"""
`guard(OpenAI())`: every completion and response is scanned before it is asked for, and again before it is returned.

    from openai import OpenAI
    from scanner_client.integrations.openai import guard

    client = guard(OpenAI())

It sits where all methods of the SDK send their requests, so that `parse`, `stream` and `with_options` are guarded too.
Raw responses can't be, and are refused. Other endpoints, such as embeddings, pass unscanned.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from openai import AsyncOpenAI, OpenAI

from scanner_client import AsyncClient, Client
from scanner_client.integrations import chat, walks
from scanner_client.integrations.streaming import chat_chunks, chat_chunks_async

T = TypeVar("T", OpenAI, AsyncOpenAI)

_RAW = "x-stainless-raw-response"


@dataclass(frozen=True, slots=True)
class _Endpoint:
    request: Callable[[Mapping[str, Any]], walks.Walk[dict[str, Any]]]
    answer: Callable[[Any], walks.Walk[Any]]


_ENDPOINTS = {
    "/chat/completions": _Endpoint(chat.chat_request, chat.chat_answer),
    "/completions": _Endpoint(chat.completion_request, chat.completion_answer),
    "/responses": _Endpoint(chat.responses_request, chat.responses_answer),
}


def guard(client: T, scanner: Client | AsyncClient | None = None) -> T:
    """
    A copy of *client* that shares its connections and asks *scanner* (by default one from the environment).

    Its methods raise `Blocked` for what must not be asked or shown, and `ScanFailed` if nobody knows.

    Raises:
        TypeError: one of the two is asynchronous and the other is not.
    """
    is_async = isinstance(client, AsyncOpenAI)
    scanner = scanner or (AsyncClient() if is_async else Client())
    if isinstance(scanner, AsyncClient) is not is_async:
        raise TypeError("AsyncOpenAI needs an AsyncClient, OpenAI a Client")
    kind, mixin = type(client), _GuardedAsync if is_async else _Guarded
    guarded_kind = type(f"Guarded{kind.__name__}", (mixin, kind), {"_scanner": scanner})
    guarded: Any = object.__new__(guarded_kind)
    for name, value in vars(client).items():
        # What the SDK makes on first use is bound to the client that it was made for.
        if not isinstance(getattr(kind, name, None), functools.cached_property):
            vars(guarded)[name] = value
    return guarded


def _endpoint(options: Any, *, stream: bool) -> _Endpoint | None:
    endpoint = _ENDPOINTS.get(options.url)
    if endpoint is None:
        return None
    if any(str(name).lower() == _RAW for name in options.headers or {}):
        raise TypeError("a raw response can't be scanned: leave out with_raw_response and with_streaming_response")
    if stream and options.url == "/completions":
        raise TypeError("a plain completion can't be streamed through the scanner: use a chat completion")
    return endpoint


class _Guarded:
    _scanner: Client

    def request(self, cast_to: Any, options: Any, *, stream: bool = False, stream_cls: Any = None) -> Any:
        ask = functools.partial(super().request, cast_to, stream=stream, stream_cls=stream_cls)  # type: ignore[misc]
        endpoint = _endpoint(options, stream=stream)
        if endpoint is None:
            return ask(options)
        body, prompt = walks.run(endpoint.request(options.json_data), self._scanner)
        answer = ask(options.model_copy(update={"json_data": body}))
        if not stream:
            return walks.run(endpoint.answer(answer), self._scanner, prompt)[0]
        raw = answer._iterator
        safe = chat_chunks(raw, self._scanner, prompt) if "messages" in body else self._events(raw, prompt)
        answer._iterator = _closing(safe, raw)
        return answer

    def _events(self, raw: Iterator[Any], prompt: Any) -> Iterator[Any]:
        events = list(raw)
        final = _final(events)
        yield from _replay(events, walks.run(chat.responses_answer(final), self._scanner, prompt)[0])


class _GuardedAsync:
    _scanner: AsyncClient

    async def request(self, cast_to: Any, options: Any, *, stream: bool = False, stream_cls: Any = None) -> Any:
        ask = functools.partial(super().request, cast_to, stream=stream, stream_cls=stream_cls)  # type: ignore[misc]
        endpoint = _endpoint(options, stream=stream)
        if endpoint is None:
            return await ask(options)
        body, prompt = await walks.run_async(endpoint.request(options.json_data), self._scanner)
        answer = await ask(options.model_copy(update={"json_data": body}))
        if not stream:
            return (await walks.run_async(endpoint.answer(answer), self._scanner, prompt))[0]
        raw = answer._iterator
        safe = chat_chunks_async(raw, self._scanner, prompt) if "messages" in body else self._events(raw, prompt)
        answer._iterator = _closing_async(safe, raw)
        return answer

    async def _events(self, raw: AsyncIterator[Any], prompt: Any) -> AsyncIterator[Any]:
        events = [event async for event in raw]
        final = (await walks.run_async(chat.responses_answer(_final(events)), self._scanner, prompt))[0]
        for event in _replay(events, final):
            yield event


def _closing(safe: Iterator[Any], raw: Any) -> Iterator[Any]:
    try:
        yield from safe
    finally:
        raw.close()


async def _closing_async(safe: AsyncIterator[Any], raw: Any) -> AsyncIterator[Any]:
    try:
        async for chunk in safe:
            yield chunk
    finally:
        await raw.aclose()


def _final(events: list[Any]) -> Any:
    if not events or getattr(events[-1], "response", None) is None:
        raise ValueError("the stream ended without its response")
    return events[-1].response


_PLAIN = frozenset(
    f"response.{name}" for name in ("created", "queued", "in_progress", "output_item.added", "content_part.added")
)


def _replay(events: list[Any], final: Any) -> Iterator[Any]:
    """
    The *events* of a streamed response once more, with the texts of *final*, which was scanned.

    A response tells each text four times, in pieces and whole; it is held back until all of them can be replaced.
    Events that this does not know are left out.
    """
    told: set[tuple[str, int, int | None]] = set()
    for event in events[:-1]:
        at = (event.type, getattr(event, "output_index", 0), getattr(event, "content_index", None))
        if event.type in _PLAIN:
            yield event
            continue
        name = _REPLACED.get(event.type)
        if name is None or at in told:
            continue
        told.add(at)  # of many deltas the first tells everything
        setattr(event, name, _safe(final.output[at[1]], at[2], event.type))
        yield event
    yield events[-1]


_REPLACED = {
    "response.output_text.delta": "delta",
    "response.output_text.done": "text",
    "response.content_part.done": "part",
    "response.output_item.done": "item",
    "response.function_call_arguments.delta": "delta",
    "response.function_call_arguments.done": "arguments",
}


def _safe(item: Any, content_index: int | None, kind: str) -> Any:
    if kind == "response.output_item.done":
        return item
    if content_index is None:
        return item.arguments
    part = item.content[content_index]
    return part if kind == "response.content_part.done" else part.text
