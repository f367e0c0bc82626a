"""
For LangChain: `ScannerMiddleware` for agents, `guard` for a chat model or any other runnable.

    agent = create_agent(model, tools, middleware=[ScannerMiddleware()])
    chain = guard(model) | StrOutputParser()
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cached_property
from typing import Any

from langchain.agents.middleware import AgentMiddleware
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.prompt_values import PromptValue
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda

from scanner_client import AsyncClient, Blocked, Client
from scanner_client.integrations import chat, walks
from scanner_client.integrations.contents import content_of
from scanner_client.integrations.data import data_of


class _Scanners:
    def __init__(self, scanner: Client | None, async_scanner: AsyncClient | None) -> None:
        self._given = scanner, async_scanner

    @cached_property
    def sync(self) -> Client:
        return self._given[0] or Client()

    @cached_property
    def asynchronous(self) -> AsyncClient:
        return self._given[1] or AsyncClient()


class ScannerMiddleware(AgentMiddleware):  # type: ignore[misc]
    """
    Scans all that an agent's model is sent, results of tools included, and all that it answers.

    With `stream_mode="messages"` an answer comes in one piece, once it is scanned. Callbacks, and so `astream_events`,
    are told what the model says before that.

    Args:
        scanner: for `invoke`; by default a client from the environment.
        async_scanner: for `ainvoke`; likewise.
        refusal: what the agent answers instead of raising `Blocked`; None to raise it.
    """

    def __init__(
        self,
        scanner: Client | None = None,
        async_scanner: AsyncClient | None = None,
        *,
        refusal: str | None = None,
    ) -> None:
        super().__init__()
        self._scanners = _Scanners(scanner, async_scanner)
        self._refusal = refusal

    def wrap_model_call(self, request: Any, handler: Callable[[Any], Any]) -> Any:
        """Scan around one call of the model."""
        scanner = self._scanners.sync
        try:
            messages, prompt = walks.run(_prompts(request.messages), scanner)
            response = handler(_silent(request, messages))
            return walks.run(_response(response), scanner, prompt)[0]
        except Blocked:
            if self._refusal is None:
                raise
            return AIMessage(self._refusal)

    async def awrap_model_call(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        """As `wrap_model_call`."""
        scanner = self._scanners.asynchronous
        try:
            messages, prompt = await walks.run_async(_prompts(request.messages), scanner)
            response = await handler(_silent(request, messages))
            return (await walks.run_async(_response(response), scanner, prompt))[0]
        except Blocked:
            if self._refusal is None:
                raise
            return AIMessage(self._refusal)


def _silent(request: Any, messages: list[BaseMessage]) -> Any:
    """*request* with *messages*, for a model whose tokens LangGraph does not show while they are unscanned."""
    model = request.model.model_copy(update={"tags": [*(request.model.tags or []), "nostream"]})
    return request.override(model=model, messages=messages)


def guard(
    runnable: Runnable[Any, Any], scanner: Client | None = None, async_scanner: AsyncClient | None = None
) -> Runnable[Any, Any]:
    """
    *runnable* with its input scanned before, and its output after: texts, messages, lists of messages, prompts.

    It streams its output in one piece. `Blocked` is raised for what must not be asked or shown. Callbacks, and so
    `astream_events`, are told what the model says before it is scanned.
    """
    scanners = _Scanners(scanner, async_scanner)

    def call(value: Any, config: RunnableConfig) -> Any:
        safe, prompt = walks.run(_input(value), scanners.sync)
        return walks.run(_output(runnable.invoke(safe, config)), scanners.sync, prompt)[0]

    async def call_async(value: Any, config: RunnableConfig) -> Any:
        safe, prompt = await walks.run_async(_input(value), scanners.asynchronous)
        answer = await runnable.ainvoke(safe, config)
        return (await walks.run_async(_output(answer), scanners.asynchronous, prompt))[0]

    return RunnableLambda(call, afunc=call_async, name="guarded")


def _input(value: Any) -> walks.Walk[Any]:
    if isinstance(value, str):
        return (yield from content_of(value))
    if isinstance(value, PromptValue):
        return (yield from _prompts(value.to_messages()))
    if isinstance(value, BaseMessage):
        return (yield from _prompts([value]))[0]
    if isinstance(value, list) and all(isinstance(item, BaseMessage) for item in value):
        return (yield from _prompts(value))
    raise TypeError(f"a guarded runnable takes a text, messages or a prompt, not {type(value).__name__}")


def _output(value: Any) -> walks.Walk[Any]:
    if isinstance(value, str):
        return (yield from content_of(value, is_output=True))
    if isinstance(value, BaseMessage):
        return (yield from _answers([value]))[0]
    raise TypeError(f"a guarded runnable gives a text or a message, not {type(value).__name__}")


def _response(response: Any) -> walks.Walk[Any]:
    """What a model answered an agent, with what was made of its text."""
    response.result = yield from _answers(response.result)
    response.structured_response = yield from data_of(response.structured_response, is_output=True)
    return response


def _prompts(messages: list[BaseMessage]) -> walks.Walk[list[BaseMessage]]:
    return (yield from walks.each(_message(message, is_output=False) for message in messages))


def _answers(messages: list[BaseMessage]) -> walks.Walk[list[BaseMessage]]:
    return (yield from walks.each(_message(message, is_output=True) for message in messages))


def _message(message: BaseMessage, *, is_output: bool) -> walks.Walk[BaseMessage]:
    if message.type in chat.TRUSTED_ROLES and not is_output:
        return message
    calls, broken = getattr(message, "tool_calls", []), getattr(message, "invalid_tool_calls", [])
    told = {"content": message.content, "additional_kwargs": message.additional_kwargs}
    if calls or broken:
        # Some providers keep the same calls here once more, as the LLM wrote them.
        told["additional_kwargs"] = {k: v for k, v in message.additional_kwargs.items() if k != "tool_calls"}
    if is_output:
        told["response_metadata"] = message.response_metadata
    changes: dict[str, Any] = yield from content_of(told, is_output=is_output)
    if message.type == "human":
        changes["name"] = yield from content_of(message.name)
    if calls:
        safe = yield from walks.each(data_of(call["args"], is_output=is_output) for call in calls)
        changes["tool_calls"] = [{**call, "args": args} for call, args in zip(calls, safe, strict=True)]
    if broken:
        changes["invalid_tool_calls"] = yield from content_of(broken, is_output=is_output)
    if isinstance(message, AIMessageChunk):
        changes["tool_call_chunks"] = []
    return message.model_copy(update=changes)
