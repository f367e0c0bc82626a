"""
The whole conversation with the service, without any I/O: `Client` and `AsyncClient` only carry it out.

A conversation is a generator: it yields a `Send` or a `Pause`, is sent what came of it, and returns the result.
"""

from __future__ import annotations

import json
import logging
import random
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, Literal, TypeVar

from scanner_client import errors, results
from scanner_client.answers import BatchItem, Lost, Reply, passes, read_answer, read_batch
from scanner_client.options import (
    Options,
    PromptOptions,
    call_headers,
    check,
    check_limits,
    policy_fields,
    prompt_fields,
    text,
)
from scanner_client.results import OutputAnalysis, PromptAnalysis

T = TypeVar("T")

_log = logging.getLogger("scanner_client")

OnUnavailable = Literal["raise", "block", "allow"]

# Seconds before the first retry, and at most before any. A guard stands in the way of an answer: the waits are short.
FIRST_DELAY = 0.1
LONGEST_DELAY = 2.0


@dataclass(frozen=True, slots=True)
class Send:
    """One HTTP request: a POST of JSON, to be answered by a `Reply` or by `Lost`."""

    path: str
    body: bytes
    headers: Mapping[str, str]
    timeout: float


@dataclass(frozen=True, slots=True)
class Pause:
    """Seconds to wait before going on."""

    seconds: float


Step = Send | Pause
Flow = Generator[Step, "Reply | Lost | None", T]


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """What to ask, how to read the answer, and within which limits."""

    path: str
    payload: Mapping[str, object]
    read: Callable[[dict[str, Any]], T]
    timeout: float
    max_retries: int
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Protocol:
    """Which limits calls have unless they say otherwise, and what becomes of a text that could not be scanned."""

    timeout: float
    max_retries: int
    on_unavailable: OnUnavailable

    def prompt(self, prompt: str, options: PromptOptions) -> Flow[PromptAnalysis]:
        """Ask about one prompt."""
        payload: dict[str, object] = {"prompt": text(prompt, "prompt")}
        check(options, PromptOptions)
        others = options.copy()
        previous = others.pop("previous", None)
        if previous and previous.vault:
            payload["vault"] = previous.vault
        call = self._call("/analyze/prompt", payload, results.read_prompt, others)
        try:
            analysis = yield from converse(call)
        except errors.ScanFailed as failure:
            value = self._prompt_value(failure, prompt)
            if isinstance(value, errors.ScanFailed):
                raise
            analysis = value
        # A turn in which nothing was replaced does not end what the turns before it replaced.
        return replace(analysis, vault=previous.vault) if previous and analysis.vault is None else analysis

    def output(self, output: str, prompt: str | PromptAnalysis, options: Options) -> Flow[OutputAnalysis]:
        """Ask about one output, with the prompt that it answers."""
        payload = {"output": text(output, "output"), **prompt_fields(prompt)}
        call = self._call("/analyze/output", payload, results.read_output, options)
        try:
            return (yield from converse(call))
        except errors.ScanFailed as failure:
            if not (fields := self.unscanned(failure)):
                raise
            return OutputAnalysis(**fields, sanitized_output=output if fields["is_valid"] else "")

    def prompts(self, prompts: Sequence[str], options: Options) -> Flow[list[BatchItem]]:
        """Ask about several prompts at once; the failure of one is a value in its place."""
        several(prompts)
        texts = [text(prompt, "prompt") for prompt in prompts]
        call = self._call("/analyze/prompts", {"prompts": texts}, lambda data: read_batch(data, len(texts)), options)
        answers: list[BatchItem]
        try:
            answers = yield from converse(call)
        except errors.ScanFailed as failure:
            if not self.excuses(failure):
                raise
            answers = [failure] * len(texts)
        return [self._prompt_value(answer, text) for answer, text in zip(answers, texts, strict=True)]

    def limits(self, options: Options) -> tuple[float, int]:
        """
        Timeout and retries of a call with *options*.

        Raises:
            ValueError: one of them is no limit.
        """
        timeout, max_retries = options.get("timeout", self.timeout), options.get("max_retries", self.max_retries)
        check_limits(timeout, max_retries)
        return timeout, max_retries

    def excuses(self, failure: errors.ScanFailed) -> bool:
        """Whether *on_unavailable* puts an analysis in the place of *failure*."""
        return self.on_unavailable != "raise" and isinstance(failure, errors.Unavailable)

    def unscanned(self, failure: errors.ScanFailed) -> dict[str, Any] | None:
        """The fields of the analysis that is put in the place of *failure*; None if that is raised."""
        if not self.excuses(failure):
            return None
        if self.on_unavailable == "allow":
            _log.warning("a text passes unscanned: %s", failure)
        return {"is_valid": self.on_unavailable == "allow", "failure": as_value(failure)}

    def _prompt_value(self, answer: BatchItem, prompt: str) -> BatchItem:
        if isinstance(answer, errors.ScanFailed) and (fields := self.unscanned(answer)):
            return PromptAnalysis(**fields, sanitized_prompt=prompt if fields["is_valid"] else "")
        return answer

    def _call(
        self, path: str, payload: dict[str, object], read: Callable[[dict[str, Any]], T], options: Options
    ) -> Call[T]:
        payload = {**payload, **policy_fields(options)}
        return Call(path, payload, read, *self.limits(options), call_headers(options))


def converse(call: Call[T]) -> Flow[T]:
    """
    Send *call*, again after what passes by itself, until it is answered or its time or its retries are used up.

    Raises:
        ScanFailed: which one, the first of its attributes to look at is the class.
    """
    deadline = time.monotonic() + call.timeout
    body = encode(call.payload)
    attempt = 0
    while True:
        answer = yield Send(call.path, body, call.headers, max(deadline - time.monotonic(), 0.001))
        try:
            return read_answer(answer, call.read)
        except errors.ScanFailed as failure:
            # Not all whom an overload has sent away for a second come back at the same moment.
            pause = (failure.retry_after or 0.0) + backoff(attempt, random.random())  # noqa: S311
            if attempt >= call.max_retries or not passes(answer) or time.monotonic() + pause >= deadline:
                raise
        yield Pause(pause)
        attempt += 1


def encode(data: Mapping[str, object]) -> bytes:
    """*data* as JSON in UTF-8: escaped, most scripts would take two or three times as many bytes of the limits."""
    try:
        return json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode()
    except UnicodeEncodeError:  # half of a surrogate pair: the service says where
        return json.dumps(data, separators=(",", ":")).encode()


def as_value(failure: errors.ScanFailed) -> errors.ScanFailed:
    """*failure* without its traceback, whose frames would keep the text, twice, as long as the failure is kept."""
    return failure.with_traceback(None)


def several(prompts: object) -> None:
    """
    Raises:
        TypeError: *prompts* are one text, or a mapping: its letters, or its keys, would be scanned, and found harmless.
    """
    if isinstance(prompts, (str, Mapping)):
        raise TypeError(f"prompts must be several texts, not one {type(prompts).__name__}")


def backoff(attempt: int, chance: float) -> float:
    """Seconds to wait after *attempt*, counted from 0: doubling, capped, up to half of it by *chance* (0 to 1)."""
    return min(FIRST_DELAY * 2.0**attempt, LONGEST_DELAY) * (1 - chance / 2)
