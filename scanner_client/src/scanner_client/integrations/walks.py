"""
Walks through what applications and LLMs say: generators that yield each text to be scanned and are sent the text to
use instead. They do no I/O themselves; `run` does it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

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
