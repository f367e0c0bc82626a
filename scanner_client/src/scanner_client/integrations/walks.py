"""
Walks through what applications and LLMs say: generators that yield each text to be scanned and are sent the text to
use instead. They do no I/O themselves; `run` does it.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from scanner_client import AsyncClient, Client, PromptAnalysis

T = TypeVar("T")

TEXT_PARTS = frozenset({"text", "input_text", "output_text"})


@dataclass(frozen=True, slots=True)
class Ask:
    """A text to scan: a prompt unless it *is_output*."""

    text: str
    is_output: bool = False


Walk = Generator[Ask, str, T]


def run(walk: Walk[T], client: Client, prompt: PromptAnalysis | None = None) -> tuple[T, PromptAnalysis | None]:
    """
    The result of *walk*, and the analysis that restores the values of all its prompts and those of *prompt*.

    Raises:
        Blocked: one of the texts must not be used.
        ScanFailed: nobody knows.
    """
    try:
        ask = next(walk)
        while True:
            if ask.is_output:
                ask = walk.send(client.check_output(ask.text, prompt=prompt or "").sanitized_output)
            else:
                prompt = client.check_prompt(ask.text, previous=prompt)
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


def each(walks: Iterable[Walk[T]]) -> Walk[list[T]]:
    """The results of *walks*, one after the other."""
    results = []
    for walk in walks:
        results.append((yield from walk))  # noqa: PERF401  # a comprehension can't yield
    return results


def content_of(content: Any, *, is_output: bool = False) -> Walk[Any]:
    """The content of a message: a text, or a list of parts of which those of text are scanned."""
    if isinstance(content, str):
        return (yield Ask(content, is_output)) if content.strip() else content
    if not isinstance(content, list):
        return content
    return (yield from each(_content_part(part, is_output=is_output) for part in content))


def _content_part(part: Any, *, is_output: bool) -> Walk[Any]:
    if isinstance(part, str):
        return (yield from content_of(part, is_output=is_output))
    if part.get("type") in TEXT_PARTS:
        return {**part, "text": (yield from content_of(part.get("text"), is_output=is_output))}
    return part


def strings(arguments: str, *, is_output: bool = False) -> Walk[str]:
    """
    The JSON in *arguments* with its strings replaced one by one, so that a value with a quote in it stays a value.

    What is no JSON is replaced as a text.
    """
    if not arguments.strip():
        return arguments
    safe = yield Ask(arguments, is_output)
    if safe == arguments:
        return arguments
    try:
        data = json.loads(arguments)
    except ValueError:
        return safe
    return json.dumps((yield from leaves(data, is_output=is_output)), ensure_ascii=False)


def leaves(data: Any, *, is_output: bool) -> Walk[Any]:
    """*data*, as JSON decodes it, with all its strings scanned."""
    if isinstance(data, str):
        return (yield Ask(data, is_output)) if data.strip() else data
    if isinstance(data, list):
        return (yield from each(leaves(item, is_output=is_output) for item in data))
    if isinstance(data, dict):
        values = yield from each(leaves(value, is_output=is_output) for value in data.values())
        return dict(zip(data, values, strict=True))
    return data
