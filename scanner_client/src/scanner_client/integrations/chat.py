"""
Requests, answers and streams in OpenAI's formats: which of their strings are scanned, and where the safe ones go.

What the developer wrote (`system`, `developer`, instructions, tool definitions) is trusted. Everything else is scanned
as a prompt: users, tools, variables of prompts, and the answers in the history, whose restored values would leave again
otherwise. Pictures, sound and files are passed on unseen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from scanner_client.integrations.contents import content_of
from scanner_client.integrations.data import fields_of
from scanner_client.integrations.walks import Ask, Unscannable, Walk, each

TRUSTED_ROLES = frozenset({"system", "developer"})


def request(body: Mapping[str, Any]) -> Walk[dict[str, Any]]:
    """
    The body of a chat completion, a response, a conversation, a plain completion or a message of Anthropic's.

    Raises:
        Unscannable: it has something in it that can't be scanned, such as the numbers of tokens.
    """
    safe = dict(body)
    for name in ("messages", "input", "items"):
        if isinstance(given := body.get(name), (list, tuple)):
            safe[name] = yield from each(_message(message) for message in given)
        elif given is not None:
            safe[name] = yield from content_of(given)
    for name in ("documents", "prediction", "suffix"):
        if name in body:
            safe[name] = yield from content_of(body[name])
    if "prompt" in body:
        safe["prompt"] = yield from _prompt(body["prompt"])
    if variables := body.get("prompt_variables"):
        safe["prompt_variables"] = yield from _variables(variables)
    for name in _LAID_OVER:
        if name in body:
            safe[name] = yield from _laid_over(body[name])
    return safe


# Where LiteLLM takes other requests from, or parts of one, to lay them over this one.
_FALLBACKS = ("fallbacks", "context_window_fallbacks", "content_policy_fallbacks")
_LAID_OVER = ("extra_body", "litellm_params", "model_list", *_FALLBACKS)


def _laid_over(given: Any) -> Walk[Any]:
    """A request or a part of one, or a list of them, by names of models or not. What else there is, are such names."""
    if isinstance(given, (list, tuple)):
        return (yield from each(_laid_over(item) for item in given))
    if not isinstance(given, Mapping):
        return given
    safe = yield from request(given)
    for name, value in given.items():
        if safe[name] is value and isinstance(value, (list, tuple)):
            safe[name] = yield from _laid_over(value)
    return safe


def _prompt(prompt: Any) -> Walk[Any]:
    """The prompt of a plain completion, or the reference of a response to one that is stored, with its variables."""
    if isinstance(prompt, Mapping):
        return {**prompt, "variables": (yield from _variables(prompt.get("variables") or {}))}
    if isinstance(prompt, (list, tuple)) and not all(isinstance(item, str) for item in prompt):
        raise Unscannable("a prompt of token numbers can't be scanned")
    return (yield from content_of(prompt))


def _variables(variables: Mapping[str, Any]) -> Walk[dict[str, Any]]:
    return dict(zip(variables, (yield from each(content_of(value) for value in variables.values())), strict=True))


def _message(message: Any) -> Walk[Any]:
    """A message of a chat, or an item of a response's input."""
    fields = message.model_dump(exclude_none=True) if hasattr(message, "model_dump") else message
    if isinstance(fields, Mapping) and fields.get("role") in TRUSTED_ROLES:
        return dict(fields)
    return (yield from content_of(fields))


def answer(given: Any) -> Walk[Any]:
    """
    A chat completion, a plain one or a response, changed in place; a message of Anthropic's, which is a new one.

    Raises:
        Unscannable: it is none of these.
    """
    if isinstance(given, Mapping) and "content" in given:
        return {**given, "content": (yield from content_of(given["content"], is_output=True))}
    if (choices := getattr(given, "choices", None)) is not None:
        for choice in choices:
            yield from _choice(choice)
    elif (output := getattr(given, "output", None)) is not None:
        given.output = yield from content_of(output, is_output=True)
    else:
        raise Unscannable(f"{type(given).__name__} is no answer that can be scanned")
    return given


def _choice(choice: Any) -> Walk[None]:
    _forget(choice, "logprobs")
    if getattr(choice, "message", None) is not None:
        yield from answer_message(choice.message)
    elif choice.text.strip():
        choice.text = yield Ask(choice.text, is_output=True)


# What a message may hold besides texts that is worth keeping.
_MESSAGE_FIELDS = frozenset({"content", "tool_calls", "function_call", "audio", "annotations", "images"})


def answer_message(message: Any) -> Walk[Any]:
    """A message of the LLM, changed in place. Texts under names that nobody knows are scanned as well."""
    for name, value in fields_of(message).items():
        if not isinstance(value, str) and name not in _MESSAGE_FIELDS:
            _forget(message, name)
    return (yield from content_of(message, is_output=True))


def _forget(holder: Any, name: str) -> None:
    """Leave out what repeats the text as the LLM wrote it: tokens, thoughts, raw answers of a provider."""
    if getattr(holder, name, None) is not None:
        setattr(holder, name, None)


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
            Unscannable: it is no chunk of a chat completion.
            ValueError: it is about a second choice; only one can be streamed.
        """
        choices = getattr(chunk, "choices", None)
        if choices is None or not all(hasattr(choice, "delta") for choice in choices):
            raise Unscannable(f"a stream of {type(chunk).__name__} can't be scanned")
        if any(choice.index for choice in choices):
            raise ValueError("a guarded stream has one choice: leave n at 1")
        if not choices:
            self._waiting.append(chunk)
            return ""
        choice = choices[0]
        text = choice.delta.content or ""
        self._role = getattr(choice.delta, "role", None) or self._role
        self._refusal += getattr(choice.delta, "refusal", None) or ""
        _keep_only(choice.delta, *_CALLS)
        _forget(choice, "logprobs")
        calls = any(getattr(choice.delta, name, None) for name in _CALLS)
        if choice.finish_reason or calls or getattr(chunk, "usage", None):
            self._waiting.append(chunk)
        if text:
            self._template = chunk
        return str(text)

    def show(self, text: str) -> Any:
        """A chunk with *text*."""
        chunk = self._template.model_copy(deep=True)
        choice = chunk.choices[0]
        choice.delta.content, choice.delta.role, choice.finish_reason = text, self._role, None
        for name in _CALLS:
            _forget(choice.delta, name)
        self._role = None
        return chunk

    def rest(self) -> Walk[list[Any]]:
        """The chunks that waited."""
        deltas = [choice.delta for chunk in self._waiting for choice in chunk.choices]
        firsts: dict[Any, tuple[Any, str]] = {}
        texts: dict[Any, str] = {}
        for call, holder, name in _pieces(deltas):
            firsts.setdefault(call, (holder, name))
            texts[call] = texts.get(call, "") + (_get(holder, name) or "")
            _set(holder, name, "")
        for call, (holder, name) in firsts.items():
            _set(holder, name, texts[call])
        for delta in deltas:
            for name in _CALLS:
                if calls := getattr(delta, name, None):
                    setattr(delta, name, (yield from content_of(calls, is_output=True)))
        if deltas and self._waiting[0].choices:
            deltas[0].role = self._role
            if self._refusal.strip():
                deltas[0].refusal = yield Ask(self._refusal, is_output=True)
        return self._waiting


_CALLS = ("tool_calls", "function_call")


def _pieces(deltas: list[Any]) -> Iterator[tuple[Any, Any, str]]:
    """Each piece of a call in *deltas*: which call it is of, what holds it, and under which name."""
    for delta in deltas:
        for call in getattr(delta, "tool_calls", None) or []:
            if function := _get(call, "function"):
                yield _get(call, "index"), function, "arguments"
            if custom := _get(call, "custom"):
                yield _get(call, "index"), custom, "input"
        if function := getattr(delta, "function_call", None):
            yield "function_call", function, "arguments"


def _get(holder: Any, name: str) -> Any:
    return holder.get(name) if isinstance(holder, dict) else getattr(holder, name, None)


def _set(holder: Any, name: str, value: str) -> None:
    if isinstance(holder, dict):
        holder[name] = value
    else:
        setattr(holder, name, value)


def _keep_only(delta: Any, *names: str) -> None:
    for name in fields_of(delta):
        if name not in names:
            _forget(delta, name)
