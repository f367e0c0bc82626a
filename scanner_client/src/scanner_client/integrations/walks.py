"""
Walks through what applications and LLMs say: generators that yield each text to be scanned and are sent the text to
use instead. They do no I/O themselves; `run` does it.
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import json
import re
import uuid
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from scanner_client import AsyncClient, Client, PromptAnalysis

T = TypeVar("T")


class Unscannable(TypeError):
    """Something is said in a form that nobody can scan; it is let through neither way."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A text to scan: a prompt unless it *is_output*."""

    text: str
    is_output: bool = False


Walk = Generator[Ask, str, T]


def run(
    walk: Walk[T], client: Client, prompt: PromptAnalysis | None = None, *, policy: str | None = None
) -> tuple[T, PromptAnalysis | None]:
    """
    The result of *walk*, and the analysis that restores the values of all its prompts and those of *prompt*.

    Args:
        policy: of the service.

    Raises:
        Blocked: one of the texts must not be used.
        ScanFailed: nobody knows.
        Unscannable: nobody can know.
    """
    try:
        ask = next(walk)
        while True:
            if ask.is_output:
                ask = walk.send(client.check_output(ask.text, prompt=prompt or "", policy=policy).sanitized_output)
            else:
                prompt = client.check_prompt(ask.text, previous=prompt, policy=policy)
                ask = walk.send(prompt.sanitized_prompt)
    except StopIteration as end:
        return end.value, prompt


async def run_async(
    walk: Walk[T], client: AsyncClient, prompt: PromptAnalysis | None = None
) -> tuple[T, PromptAnalysis | None]:
    """As `run`."""
    try:
        ask = next(walk)
        while True:
            if ask.is_output:
                ask = walk.send((await client.check_output(ask.text, prompt=prompt or "")).sanitized_output)
            else:
                prompt = await client.check_prompt(ask.text, previous=prompt)
                ask = walk.send(prompt.sanitized_prompt)
    except StopIteration as end:
        return end.value, prompt


def answered(walk: Walk[T], answer: Callable[[str], str]) -> T:
    """The result of *walk* with what *answer* says in the place of its texts; no client is asked."""
    try:
        ask = next(walk)
        while True:
            ask = walk.send(answer(ask.text))
    except StopIteration as end:
        result: T = end.value
        return result


def each(walks: Iterable[Walk[T]]) -> Walk[list[T]]:
    """The results of *walks*, one after the other."""
    results = []
    for walk in walks:
        results.append((yield from walk))  # noqa: PERF401  # a comprehension can't yield
    return results


# Fields that refer, choose or carry bytes. Their values are passed on as long as they look like it.
_REFERENCES = frozenset(
    {"id", "name", "object", "model", "model_name", "model_provider", "role", "server_label", "type"}
    | {"detail", "effort", "encoding", "format", "media_type", "mime_type", "phase", "severity", "source_type"}
    | {"created_at", "done_reason", "finish_reason", "service_tier", "status", "stop_reason", "system_fingerprint"}
    | {"b64_json", "base64", "data", "encrypted_content", "file_data", "result", "signature", "thought_signature"}
    | {"url", "uri"}
)
_REFERENCE = re.compile(r"[\w.:|/+=~-]*|[A-Za-z][A-Za-z0-9+.-]*:[!-~]*", re.ASCII)

# Fields of JSON whose own names mean nothing here.
_JSON = frozenset({"args", "arguments", "attributes", "input", "parsed"})

_WORDLESS = (int, float, bytes, enum.Enum, decimal.Decimal, datetime.date, datetime.time, datetime.timedelta, uuid.UUID)


def content_of(content: Any, *, is_output: bool = False) -> Walk[Any]:
    """
    A text, a message, an item, a part, or a list of them, as an API defines them.

    Every string is scanned, under names that nobody knows as well; only ids, types, URLs, encoded bytes and the like
    are passed on. The objects of an answer are changed in place. Tokens, which tell a text once more, are left out.

    Raises:
        Unscannable: there is something that is neither text nor made of fields.
    """
    if content is None or isinstance(content, _WORDLESS):
        return content
    if isinstance(content, str):
        return (yield Ask(content, is_output)) if content.strip() else content
    if isinstance(content, (list, tuple)):
        return (yield from each(content_of(item, is_output=is_output) for item in content))
    if not is_output and hasattr(content, "model_dump"):
        content = content.model_dump(exclude_none=True)
    if isinstance(content, Mapping):
        named = {name: value for name, value in content.items() if name != "logprobs"}
        safe = yield from each(_field(named, name, is_output=is_output) for name in named)
        return dict(zip(named, safe, strict=True))
    if not is_output or not hasattr(content, "__dict__"):
        raise Unscannable(f"{type(content).__name__} can't be scanned")
    named = fields_of(content)
    for name, value in named.items():
        safe_value = None if name == "logprobs" else (yield from _field(named, name, is_output=True))
        if safe_value is not value:
            setattr(content, name, safe_value)
    return content


def fields_of(thing: Any) -> dict[str, Any]:
    """The fields of an object of an answer, those that its type does not know included."""
    return {**vars(thing), **(getattr(thing, "model_extra", None) or {})}


def _field(named: Mapping[str, Any], name: str, *, is_output: bool) -> Walk[Any]:
    value = named[name]
    if not isinstance(value, str) or isinstance(value, enum.Enum):
        if name in _JSON and not isinstance(value, (list, tuple)):
            return (yield from data_of(value, is_output=is_output))
    elif _is_reference(named, name, value):
        return value
    elif name in ("args", "arguments"):
        return (yield from strings(value, is_output=is_output))
    return (yield from content_of(value, is_output=is_output))


def _is_reference(named: Mapping[str, Any], name: str, value: str) -> bool:
    """Whether *value* refers to something instead of saying something. The same name may do either."""
    if name == "name" and named.get("role") == "user":
        return False
    if name == "data" and named.get("type") == "text":
        return False
    if name == "result" and named.get("type") != "image_generation_call":
        return False
    refers = name in _REFERENCES or name.endswith(("_id", "_url"))
    return refers and _REFERENCE.fullmatch(value) is not None


def strings(arguments: str, *, is_output: bool = False) -> Walk[str]:
    """
    The JSON in *arguments* with its strings replaced one by one, so that a value with a quote in it stays a value.

    What is no JSON is replaced as a text.
    """
    if not arguments.strip():
        return arguments
    safe = yield Ask(arguments, is_output)
    if not safe or safe == arguments:
        return safe
    try:
        data = json.loads(arguments)
    except ValueError:
        return safe
    return (yield from _whole((yield from leaves(data, is_output=is_output)), safe, is_output=is_output))


def data_of(data: Any, *, is_output: bool) -> Walk[Any]:
    """
    *data* as `leaves` replaces it; a mapping is scanned as a whole besides, with its keys and numbers.

    Raises:
        Unscannable: it holds something else, or what is left of a mapping is none.
    """
    safe_data = yield from leaves(data, is_output=is_output)
    if not isinstance(data, Mapping) or not data:
        return safe_data
    safe = yield Ask(_json(data), is_output)
    whole = yield from _whole(safe_data, safe, is_output=is_output)
    if whole == _json(safe_data):
        return safe_data
    if isinstance(safe_data := _parsed(whole or "{}"), dict):
        return safe_data
    raise Unscannable("what is left of a mapping is none")


def _whole(data: Any, safe: str, *, is_output: bool) -> Walk[str]:
    """
    *data*, whose strings are replaced, as JSON.

    What is a password only beside its key, a key or a number is replaced in the whole alone. So where *safe*, what was
    answered about the whole, says something else, the JSON is asked about once more, and again with its numbers as
    strings if one of them was replaced.
    """
    text = _json(data)
    if _parsed(safe) == json.loads(text):
        return text
    safe = yield Ask(text, is_output)
    if _parsed(safe) is None:
        safe = yield Ask(_json(json.loads(text, parse_int=str, parse_float=str)), is_output)
    return safe


def _json(data: Any) -> str:
    return json.dumps(data, ensure_ascii=False, default=str)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def leaves(data: Any, *, is_output: bool) -> Walk[Any]:
    """
    *data*, as JSON decodes it or as a type of the application holds it, with all its strings scanned; no keys.

    Raises:
        Unscannable: it holds something else.
    """
    if data is None or isinstance(data, _WORDLESS):
        return data
    if isinstance(data, str):
        return (yield Ask(data, is_output)) if data.strip() else data
    if isinstance(data, (list, tuple, set, frozenset)):
        make = getattr(data, "_make", type(data))  # a named tuple does not take its items as one
        return make((yield from each(leaves(item, is_output=is_output) for item in data)))
    if isinstance(data, Mapping):
        values = yield from each(leaves(value, is_output=is_output) for value in data.values())
        return dict(zip(data, values, strict=True))
    if hasattr(data, "model_copy"):
        return data.model_copy(update=(yield from leaves(dict(data), is_output=is_output)))
    if dataclasses.is_dataclass(data) and not isinstance(data, type):
        fields = {field.name: getattr(data, field.name) for field in dataclasses.fields(data) if field.init}
        return dataclasses.replace(data, **(yield from leaves(fields, is_output=is_output)))
    raise Unscannable(f"{type(data).__name__} can't be scanned")
