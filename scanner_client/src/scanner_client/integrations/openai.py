"""
`guard(OpenAI())`: every completion and response is scanned before it is asked for, and again before it is returned.

    from openai import OpenAI
    from scanner_client.integrations.openai import guard

    client = guard(OpenAI())

It sits where all methods of the SDK send their requests, so that `parse`, `stream` and `with_options` are guarded too.
A response that is retrieved later is scanned as well, but the values in it stay replaced: only the call that asked for
it can put them back. What is put into a conversation is scanned, what is read out of it is not. What can't be scanned
is refused: raw responses, lists of stored completions, and endpoints that ask an LLM in another way, such as batches
and agents. Embeddings, files, pictures and sound pass unscanned, and so do web sockets (`connect`).
"""

from __future__ import annotations

import functools
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any, TypeVar

from openai import AsyncOpenAI, NotGiven, Omit, OpenAI

from scanner_client import AsyncClient, Client
from scanner_client.integrations import chat, walks
from scanner_client.integrations.contents import content_of
from scanner_client.integrations.streaming import chat_chunks, chat_chunks_async

T = TypeVar("T", OpenAI, AsyncOpenAI)

_RAW = "x-stainless-raw-response"

# What an LLM is asked, and what is stored of that: `/responses/r-1` is an answer, `/responses/r-1/input_items` is not.
_PATH = re.compile(r"(?:^|/)(chat/completions|completions|responses)(?:/([^/?]+)(?:/cancel)?)?/?(?:\?.*)?$")

# What an LLM is told in a conversation that goes on.
_CONVERSATION = re.compile(r"(?:^|/)conversations(?:/[^/?]+(?:/items(?:/[^/?]+)?)?)?/?(?:\?.*)?$")

# What asks no LLM for a text, or lists what one was asked.
_PASSED = re.compile(
    r"/?(?:audio|containers|embeddings|files|fine_tuning|images|models|moderations|uploads|vector_stores|videos"
    r"|chat/completions/[^/?]+/messages|responses/[^/?]+/input_items)(?:[/?]|$)"
)


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


def _endpoint(options: Any, *, stream: bool) -> str | None:
    """Which endpoint of an LLM is asked; None if none is."""
    method, found = options.method.lower(), _PATH.search(options.url)
    if method == "delete" or _PASSED.match(options.url):
        return None
    if _CONVERSATION.search(options.url):
        return "conversations" if method == "post" else None
    if found is None:
        raise walks.Unscannable("the scanner can't read what this endpoint is asked: ask it with the unguarded client")
    if any(str(name).lower() == _RAW for name in options.headers or {}):
        raise walks.Unscannable("a raw response can't be scanned: use neither with_raw_response nor its kin")
    if stream and found[1] == "completions":
        raise walks.Unscannable("a plain completion can't be streamed through the scanner: use a chat completion")
    return "input_tokens" if found[2] == "input_tokens" else found[1]


# Where an LLM is told something and says nothing.
_SILENT = frozenset({"input_tokens", "conversations"})


def _body(options: Any) -> dict[str, Any]:
    """What is going to be sent: `extra_body` replaces what it is laid over."""
    given, extra = options.json_data or {}, options.extra_json or {}
    if options.content is not None or not isinstance(given, dict):
        raise walks.Unscannable("a body that is no JSON object can't be scanned")
    return {name: value for name, value in {**given, **extra}.items() if not isinstance(value, Omit)}


def _asking(options: Any, body: dict[str, Any]) -> Any:
    """*options* with *body*. What `parse` does waits until the texts are safe."""
    return options.model_copy(update={"json_data": body or None, "extra_json": None, "post_parser": NotGiven()})


def _parsed(options: Any, answer: Any) -> Any:
    return options.post_parser(answer) if callable(options.post_parser) else answer


class _Guarded:
    _scanner: Client

    def request(self, cast_to: Any, options: Any, *, stream: bool = False, stream_cls: Any = None) -> Any:
        ask = functools.partial(super().request, cast_to, stream=stream, stream_cls=stream_cls)  # type: ignore[misc]
        endpoint = _endpoint(options, stream=stream)
        if endpoint is None:
            return ask(options)
        body, prompt = walks.run(chat.request(_body(options)), self._scanner)
        answer = ask(_asking(options, body))
        if endpoint in _SILENT:
            return answer
        if not stream:
            return _parsed(options, walks.run(chat.answer(answer), self._scanner, prompt)[0])
        raw = answer._iterator
        is_chat = endpoint == "chat/completions"
        safe = chat_chunks(raw, self._scanner, prompt) if is_chat else self._events(raw, prompt)
        answer._iterator = _closing(safe, raw)
        return answer

    def _events(self, raw: Iterator[Any], prompt: Any) -> Iterator[Any]:
        events = list(raw)
        final = _final(events)
        yield from _replay(events, walks.run(chat.answer(final), self._scanner, prompt)[0])


class _GuardedAsync:
    _scanner: AsyncClient

    async def request(self, cast_to: Any, options: Any, *, stream: bool = False, stream_cls: Any = None) -> Any:
        ask = functools.partial(super().request, cast_to, stream=stream, stream_cls=stream_cls)  # type: ignore[misc]
        endpoint = _endpoint(options, stream=stream)
        if endpoint is None:
            return await ask(options)
        body, prompt = await walks.run_async(chat.request(_body(options)), self._scanner)
        answer = await ask(_asking(options, body))
        if endpoint in _SILENT:
            return answer
        if not stream:
            return _parsed(options, (await walks.run_async(chat.answer(answer), self._scanner, prompt))[0])
        raw = answer._iterator
        is_chat = endpoint == "chat/completions"
        safe = chat_chunks_async(raw, self._scanner, prompt) if is_chat else self._events(raw, prompt)
        answer._iterator = _closing_async(safe, raw)
        return answer

    async def _events(self, raw: AsyncIterator[Any], prompt: Any) -> AsyncIterator[Any]:
        events = [event async for event in raw]
        final = (await walks.run_async(chat.answer(_final(events)), self._scanner, prompt))[0]
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


def _replay(events: list[Any], final: Any) -> Iterator[Any]:
    """
    The *events* of a streamed response once more, with the texts of *final*, which was scanned.

    A response tells each text four times, in pieces and whole; it is held back until all of them can be replaced.
    Events that this does not know are left out.
    """
    told: set[tuple[str, int, int | None]] = set()
    for event in events[:-1]:
        at = (event.type, getattr(event, "output_index", 0), getattr(event, "content_index", None))
        if event.type in _BEGINNINGS:
            event.response.output = []
            yield event
        elif event.type in _ADDED:
            name = _ADDED[event.type]
            part = content_of(getattr(event, name), is_output=True)
            setattr(event, name, walks.answered(part, lambda _: ""))
            yield event
        elif event.type in _REPLACED and at not in told:
            told.add(at)  # of many deltas the first tells everything
            source, name = _REPLACED[event.type]
            item = final.output[at[1]]
            whole = item if at[2] is None else item.content[at[2]]
            setattr(event, name, getattr(whole, source) if source else whole)
            if hasattr(event, "logprobs"):
                event.logprobs = []
            yield event
    yield events[-1]


_BEGINNINGS = frozenset({"response.created", "response.queued", "response.in_progress"})

# What is begun is told empty.
_ADDED = {"response.output_item.added": "item", "response.content_part.added": "part"}

# Of which field of the finished item or part an event tells, and under which name; "" is all of it.
_REPLACED = {
    "response.output_text.delta": ("text", "delta"),
    "response.output_text.done": ("text", "text"),
    "response.refusal.delta": ("refusal", "delta"),
    "response.refusal.done": ("refusal", "refusal"),
    "response.content_part.done": ("", "part"),
    "response.output_item.done": ("", "item"),
    "response.function_call_arguments.delta": ("arguments", "delta"),
    "response.function_call_arguments.done": ("arguments", "arguments"),
    "response.custom_tool_call_input.delta": ("input", "delta"),
    "response.custom_tool_call_input.done": ("input", "input"),
}
