"""
A plugin of `llm`: beside every model `m` there is `guarded/m`, which scans what `m` is asked and what it answers.

    llm -m guarded/gpt-4o-mini "Hello"

The service is the one that SCANNER_URL names. System prompts are trusted, attachments are passed on unseen, and what
reasoning models say to themselves is left out. A model that builds its history by itself, instead of taking it from
`prompt.messages`, answers each turn without the earlier ones: those it would send are not the scanned ones.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import llm

try:
    from llm.parts import Message, ReasoningPart, StreamEvent, TextPart, ToolCallPart, ToolResultPart
except ImportError:  # of a plugin, `llm` shows where it failed, and does nothing else then
    raise ImportError("guarded models need llm 0.32 or later: pip install './scanner_client[llm]'") from None

from scanner_client import AsyncClient, Client
from scanner_client.integrations import chat, walks
from scanner_client.integrations.contents import content_of
from scanner_client.integrations.data import data_of, strings

PREFIX = "guarded/"


@llm.hookimpl(trylast=True)  # type: ignore[untyped-decorator]
def register_models(register: Callable[..., None], model_aliases: list[Any]) -> None:
    """Register a guarded twin of every model that other plugins registered."""
    for known in list(model_aliases):
        twin = GuardedAsyncModel(known.async_model) if known.async_model else None
        if known.model and not known.model.model_id.startswith(PREFIX):
            register(GuardedModel(known.model), twin, aliases=tuple(PREFIX + alias for alias in known.aliases))


# The service may be away when `llm` starts: a client is made when a guarded model is first used.
_client = functools.lru_cache(Client)


def _wear(model: Any, inner: Any) -> None:
    model.inner = inner
    model.model_id = PREFIX + inner.model_id
    for name in ("can_stream", "attachment_types", "supports_schema", "supports_tools"):
        setattr(model, name, getattr(inner, name))
    for name in ("supports_conversation", "needs_key", "key", "key_env_var", "Options"):
        setattr(model, name, getattr(inner, name, None))


class GuardedModel(llm.KeyModel):  # type: ignore[misc]
    """
    A model with the scanner around it.

    Args:
        inner: the model.
        scanner: by default a client from the environment.
    """

    def __init__(self, inner: Any, scanner: Client | None = None) -> None:
        _wear(self, inner)
        self._scanner = scanner

    @property
    def supported_server_side_tools(self) -> Any:
        """Those of the model."""
        return self.inner.supported_server_side_tools

    def execute(self, prompt: Any, stream: bool, response: Any, conversation: Any, key: Any = None) -> Iterator[Any]:
        """Ask the model; raises `Blocked` for what must not be asked or shown."""
        scanner = self._scanner or _client()
        messages, analysis = walks.run(_messages(prompt.messages), scanner)
        given = {"key": key} if isinstance(self.inner, llm.KeyModel) else {}
        events = self.inner.execute(_prompt(prompt, messages, self.inner), stream, response, None, **given)
        rest: list[StreamEvent] = []
        texts = (_text(event, rest) for event in events)
        first = next(filter(None, texts), None)
        if first is not None:
            yield from scanner.stream_output(itertools.chain([first], texts), prompt=analysis or "")
        yield from walks.run(_rest(rest, response), scanner, analysis)[0]


class GuardedAsyncModel(llm.AsyncKeyModel):  # type: ignore[misc]
    """As `GuardedModel`, for an asynchronous model."""

    def __init__(self, inner: Any, scanner: AsyncClient | None = None) -> None:
        _wear(self, inner)
        self._scanner = scanner

    @property
    def supported_server_side_tools(self) -> Any:
        """Those of the model."""
        return self.inner.supported_server_side_tools

    async def execute(
        self, prompt: Any, stream: bool, response: Any, conversation: Any, key: Any = None
    ) -> AsyncIterator[Any]:
        """As `GuardedModel.execute`."""
        if self._scanner:
            async for event in self._execute(self._scanner, prompt, stream, response, key):
                yield event
            return
        async with AsyncClient() as scanner:
            async for event in self._execute(scanner, prompt, stream, response, key):
                yield event

    async def _execute(
        self, scanner: AsyncClient, prompt: Any, stream: bool, response: Any, key: Any
    ) -> AsyncIterator[Any]:
        messages, analysis = await walks.run_async(_messages(prompt.messages), scanner)
        given = {"key": key} if isinstance(self.inner, llm.AsyncKeyModel) else {}
        events = self.inner.execute(_prompt(prompt, messages, self.inner), stream, response, None, **given)
        rest: list[StreamEvent] = []
        texts = (_text(event, rest) async for event in events)
        async for first in texts:
            if not first:
                continue

            async def pieces(first: str = first) -> AsyncIterator[str]:
                yield first
                async for text in texts:
                    yield text

            async for text in scanner.stream_output(pieces(), prompt=analysis or ""):
                yield text
        for event in (await walks.run_async(_rest(rest, response), scanner, analysis))[0]:
            yield event


def _messages(messages: list[Message]) -> walks.Walk[list[Message]]:
    return (yield from walks.each(_message(message) for message in messages))


def _message(message: Message) -> walks.Walk[Message]:
    if message.role in chat.TRUSTED_ROLES:
        return message
    return dataclasses.replace(message, parts=(yield from walks.each(_part(part) for part in message.parts)))


def _part(part: Any) -> walks.Walk[Any]:
    if isinstance(part, TextPart):
        return dataclasses.replace(part, text=(yield from content_of(part.text)))
    if isinstance(part, ToolResultPart):
        return dataclasses.replace(part, output=(yield from content_of(part.output)))
    if isinstance(part, ToolCallPart):
        return dataclasses.replace(part, arguments=(yield from data_of(part.arguments, is_output=False)))
    if isinstance(part, ReasoningPart):
        return dataclasses.replace(part, text=(yield from content_of(part.text)))
    return part


def _prompt(prompt: Any, messages: list[Message], model: Any) -> Any:
    """*prompt* with *messages* for its text, wherever a model may look for it."""
    safe = copy.copy(prompt)
    texts = [part.text for part in messages[-1].parts if isinstance(part, TextPart)] if messages else []
    safe.model, safe.fragments, safe.prompt_json = model, [], None
    safe._prompt = "\n".join(texts) if messages and messages[-1].role == "user" else ""
    safe._explicit_messages = messages
    outputs = [part for message in messages for part in message.parts if isinstance(part, ToolResultPart)]
    count = len(prompt.tool_results)
    pairs = zip(prompt.tool_results, outputs[len(outputs) - count :], strict=True)
    safe.tool_results = [dataclasses.replace(result, output=part.output) for result, part in pairs]
    return safe


def _text(event: Any, rest: list[StreamEvent]) -> str:
    """The text in *event*; another sort of event waits in *rest*."""
    if isinstance(event, str):
        return event
    if event.type == "text":
        return str(event.chunk)
    if event.type == "reasoning":
        event = dataclasses.replace(event, chunk="")
    rest.append(event)
    return ""


def _rest(events: list[StreamEvent], response: Any) -> walks.Walk[list[StreamEvent]]:
    """The *events* that waited, tool calls whole; the calls noted in *response* are changed in place."""
    for call in response._tool_calls:
        call.arguments = yield from data_of(call.arguments, is_output=True)
    safe: list[StreamEvent] = []
    arguments: dict[str | None, str] = {}
    for event in events:
        if event.type == "tool_call_args":
            arguments[event.tool_call_id] = arguments.get(event.tool_call_id, "") + event.chunk
        elif event.type == "tool_result":
            safe.append(dataclasses.replace(event, chunk=(yield from content_of(event.chunk, is_output=True))))
        else:
            safe.append(event)
    for call_id, text in arguments.items():
        chunk = yield from strings(text, is_output=True)
        safe.append(StreamEvent(type="tool_call_args", chunk=chunk, tool_call_id=call_id))
    return safe
