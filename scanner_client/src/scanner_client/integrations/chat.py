"""
Requests, answers and streams in OpenAI's format: which of their strings are scanned, and where the safe ones go.

What the developer wrote (`system`, `developer`, instructions, tool definitions) is trusted. Everything else is scanned
as a prompt: users, tools, and the answers in the history, whose restored values would leave again otherwise.
Pictures, sound and files are passed on unseen.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scanner_client.integrations.walks import Ask, Walk, content_of, each, strings

TRUSTED_ROLES = frozenset({"system", "developer"})


def chat_request(body: Mapping[str, Any]) -> Walk[dict[str, Any]]:
    """The body of a chat completion."""
    messages = yield from each(_message(message) for message in body.get("messages") or [])
    return {**body, "messages": messages}


def responses_request(body: Mapping[str, Any]) -> Walk[dict[str, Any]]:
    """The body of a response."""
    given = body.get("input")
    if not isinstance(given, list):
        return {**body, "input": (yield from content_of(given))}
    return {**body, "input": (yield from each(_message(item) for item in given))}


def completion_request(body: Mapping[str, Any]) -> Walk[dict[str, Any]]:
    """The body of a plain completion."""
    prompt = body.get("prompt")
    if isinstance(prompt, list) and not all(isinstance(item, str) for item in prompt):
        raise TypeError("a prompt of token numbers can't be scanned")
    return {**body, "prompt": (yield from content_of(prompt))}


def _message(message: Any) -> Walk[dict[str, Any]]:
    """A message of a chat, or an item of a response's input."""
    fields = dict(message.model_dump(exclude_none=True) if hasattr(message, "model_dump") else message)
    if fields.get("role") in TRUSTED_ROLES:
        return fields
    for name in ("content", "output", "input"):
        if name in fields:
            fields[name] = yield from content_of(fields[name])
    if isinstance(fields.get("arguments"), str):
        fields["arguments"] = yield from strings(fields["arguments"])
    if calls := fields.get("tool_calls"):
        fields["tool_calls"] = yield from each(_past_call(call) for call in calls)
    return fields


def _past_call(call: Mapping[str, Any]) -> Walk[dict[str, Any]]:
    if function := call.get("function"):
        safe = yield from strings(function.get("arguments") or "")
        return {**call, "function": {**function, "arguments": safe}}
    if custom := call.get("custom"):
        return {**call, "custom": {**custom, "input": (yield from content_of(custom.get("input")))}}
    return dict(call)


def chat_answer(answer: Any) -> Walk[Any]:
    """A chat completion, changed in place."""
    for choice in answer.choices:
        yield from answer_message(choice.message)
        _forget(choice, "logprobs")
    return answer


# What a message may hold besides texts that are scanned; whatever else holds no plain text is left out.
_MESSAGE_FIELDS = frozenset({"role", "tool_calls", "function_call", "audio", "annotations", "images", "parsed"})


def answer_message(message: Any) -> Walk[Any]:
    """A message of the LLM, changed in place. Texts under names that nobody knows are scanned as well."""
    for name, value in [*vars(message).items(), *(message.model_extra or {}).items()]:
        if name in _MESSAGE_FIELDS:
            continue
        if not isinstance(value, str):
            _forget(message, name)
        elif value.strip():
            setattr(message, name, (yield Ask(value, is_output=True)))
    for call in getattr(message, "tool_calls", None) or []:
        yield from answer_call(call)
    if call := getattr(message, "function_call", None):
        call.arguments = yield from strings(call.arguments or "", is_output=True)
    return message


def _forget(holder: Any, name: str) -> None:
    """Leave out what repeats the text as the LLM wrote it: tokens, thoughts, raw answers of a provider."""
    if getattr(holder, name, None) is not None:
        setattr(holder, name, None)


def answer_call(call: Any) -> Walk[Any]:
    """A tool call of the LLM, changed in place."""
    if function := getattr(call, "function", None):
        function.arguments = yield from strings(function.arguments or "", is_output=True)
    elif (custom := getattr(call, "custom", None)) and custom.input.strip():
        custom.input = yield Ask(custom.input, is_output=True)
    return call


def completion_answer(answer: Any) -> Walk[Any]:
    """A plain completion, changed in place."""
    for choice in answer.choices:
        if choice.text.strip():
            choice.text = yield Ask(choice.text, is_output=True)
    return answer


def responses_answer(answer: Any) -> Walk[Any]:
    """A response, changed in place."""
    for item in answer.output:
        for part in [*(getattr(item, "content", None) or []), *(getattr(item, "summary", None) or [])]:
            yield from _plain_texts(part, "text", "refusal")
            _forget(part, "logprobs")
        yield from _plain_texts(item, "input", "output")
        if isinstance(arguments := getattr(item, "arguments", None), str):
            item.arguments = yield from strings(arguments, is_output=True)
    return answer


def _plain_texts(holder: Any, *names: str) -> Walk[None]:
    for name in names:
        if isinstance(text := getattr(holder, name, None), str) and text.strip():
            setattr(holder, name, (yield Ask(text, is_output=True)))


class ChatStream:
    """
    The chunks of one streamed chat completion, taken apart into text, which streams, and the rest, which waits.

    Tool calls are held back until they are whole: half an argument can be neither scanned nor restored.
    """

    def __init__(self) -> None:
        self._template: Any = None
        self._role: str | None = None
        self._refusal = ""
        self._waiting: list[Any] = []

    def take(self, chunk: Any) -> str:
        """
        The text in *chunk*; what else it holds waits.

        Raises:
            ValueError: it is about a second choice; only one can be streamed.
        """
        if any(choice.index for choice in chunk.choices):
            raise ValueError("a guarded stream has one choice: leave n at 1")
        if not chunk.choices:
            self._waiting.append(chunk)
            return ""
        choice = chunk.choices[0]
        text = choice.delta.content or ""
        self._role = getattr(choice.delta, "role", None) or self._role
        self._refusal += getattr(choice.delta, "refusal", None) or ""
        _keep_only(choice.delta, "tool_calls")
        _forget(choice, "logprobs")
        if choice.finish_reason or getattr(choice.delta, "tool_calls", None) or getattr(chunk, "usage", None):
            self._waiting.append(chunk)
        if text:
            self._template = chunk
        return text

    def show(self, text: str) -> Any:
        """A chunk with *text*."""
        chunk = self._template.model_copy(deep=True)
        choice = chunk.choices[0]
        choice.delta.content, choice.delta.role, choice.finish_reason = text, self._role, None
        choice.delta.tool_calls = None
        self._role = None
        return chunk

    def rest(self) -> Walk[list[Any]]:
        """The chunks that waited."""
        firsts: dict[int, Any] = {}
        arguments: dict[int, str] = {}
        for call in self._calls():
            firsts.setdefault(call.index, call.function)
            arguments[call.index] = arguments.get(call.index, "") + (call.function.arguments or "")
            call.function.arguments = ""
        for index, function in firsts.items():
            function.arguments = yield from strings(arguments[index], is_output=True)
        if self._waiting and self._waiting[0].choices:
            delta = self._waiting[0].choices[0].delta
            delta.role = self._role
            if self._refusal.strip():
                delta.refusal = yield Ask(self._refusal, is_output=True)
        return self._waiting

    def _calls(self) -> list[Any]:
        choices = [choice for chunk in self._waiting for choice in chunk.choices]
        return [call for choice in choices for call in getattr(choice.delta, "tool_calls", None) or [] if call.function]


def _keep_only(delta: Any, *names: str) -> None:
    for name in [*vars(delta), *(delta.model_extra or {})]:
        if name not in names:
            _forget(delta, name)
