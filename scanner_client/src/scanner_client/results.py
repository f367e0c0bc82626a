"""What the service answers, as frozen types, decoded strictly: an answer that is not whole is no answer."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from scanner_client.errors import Blocked, MaliciousOutput, MaliciousPrompt, ScanFailed, UnexpectedAnswer

if TYPE_CHECKING:
    from typing_extensions import Self

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Finding:
    """
    One stretch of text that a scanner points at.

    Attributes:
        label: what it is, such as `INJECTION` or `EMAIL_ADDRESS`.
        score: 0 to 1.
        start: first character, counted in the text that was sent.
        end: one past the last character.
        view: in which reading of the text it was found: `raw`, `normalized`, `decoded` …
    """

    label: str
    score: float
    start: int
    end: int
    view: str = "raw"


@dataclass(frozen=True, slots=True)
class ScannerResult:
    """
    What one scanner of the policy measured, and what the policy made of it.

    Attributes:
        score: 0 to 1, None if the scanner could not run.
        error: why it could not run, None if it did.
    """

    scanner: str
    kind: str
    score: float | None
    threshold: float
    triggered: bool
    action: str
    findings: tuple[Finding, ...] = ()
    error: str | None = None
    duration_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Analysis:
    """
    The answer about one text. Its `repr` shows no text.

    Attributes:
        is_valid: whether the text may be used.
        scores: by scanner, its risk from -1 to 1; over 0 means triggered.
        results: what each scanner found; empty if the service gives no details.
        vault: the sealed values that redaction replaced, to be sent along with the output.
        failure: why the text was not scanned. Only ever set if *on_unavailable* is "allow" or "block".
    """

    is_valid: bool
    scores: Mapping[str, float] = field(default_factory=dict)
    results: tuple[ScannerResult, ...] = ()
    vault: str | None = field(default=None, repr=False)
    message: str = ""
    policy: str | None = None
    policy_digest: str | None = None
    request_id: str | None = None
    failure: ScanFailed | None = None

    @property
    def triggered(self) -> tuple[str, ...]:
        """The names of the scanners that triggered, and of those that could not run and block for it."""
        if self.results:
            return tuple(r.scanner for r in self.results if r.triggered or (r.error and r.action == "block"))
        return tuple(name for name, score in self.scores.items() if score > 0)

    def raise_if_blocked(self) -> Self:
        """
        The analysis itself, so that calls chain.

        Raises:
            Blocked: `MaliciousPrompt` or `MaliciousOutput`, if the text must not be used.
        """
        if not self.is_valid:
            raise self._verdict() from self.failure
        return self

    def _verdict(self) -> Blocked:
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class PromptAnalysis(Analysis):
    """
    The answer about a prompt.

    Attributes:
        sanitized_prompt: what to send to the LLM, values replaced by placeholders where the policy says so.
    """

    sanitized_prompt: str = field(default="", repr=False)

    def _verdict(self) -> Blocked:
        return MaliciousPrompt(self)


@dataclass(frozen=True, slots=True)
class OutputAnalysis(Analysis):
    """
    The answer about an output.

    Attributes:
        sanitized_output: what to show, with the values of the prompt back in their places.
    """

    sanitized_output: str = field(default="", repr=False)

    def _verdict(self) -> Blocked:
        return MaliciousOutput(self)


def decode(body: bytes) -> dict[str, Any]:
    """
    The JSON object in *body*.

    Raises:
        UnexpectedAnswer: it is something else.
    """
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        raise UnexpectedAnswer("the answer is not JSON") from None
    if not isinstance(data, dict):
        raise UnexpectedAnswer("the answer is not a JSON object")
    return data


def read_prompt(data: Mapping[str, Any]) -> PromptAnalysis:
    """
    The analysis in the answer of `/analyze/prompt`.

    Raises:
        UnexpectedAnswer: naming the field that is missing or of another type.
    """
    return PromptAnalysis(**_shared(data), sanitized_prompt=_get(data, "sanitized_prompt", str))


def read_output(data: Mapping[str, Any]) -> OutputAnalysis:
    """
    The analysis in the answer of `/analyze/output`.

    Raises:
        UnexpectedAnswer: naming the field that is missing or of another type.
    """
    return OutputAnalysis(**_shared(data), sanitized_output=_get(data, "sanitized_output", str))


def _shared(data: Mapping[str, Any]) -> dict[str, Any]:
    is_valid = _get(data, "is_valid", bool)
    # An error body says `"is_valid": false` for readers of that field alone; it is a failure and no verdict.
    if data.get("error") is not None:
        raise UnexpectedAnswer("the answer is an error under a status of success")
    if data.get("blocked", not is_valid) is is_valid:
        raise UnexpectedAnswer("the answer contradicts itself: is_valid and blocked are equal")
    scanners = _get(data, "scanners", dict)
    return {
        "is_valid": is_valid,
        "scores": {name: _number(scanners, name) for name in scanners},
        "results": tuple(_result(item) for item in _get(data, "results", list, [])),
        "vault": _get(data, "vault", str, None),
        "message": _get(data, "message", str, ""),
        "policy": _get(data, "policy", str, None),
        "policy_digest": _get(data, "policy_digest", str, None),
        "request_id": _get(data, "request_id", str, None),
    }


def _result(item: object) -> ScannerResult:
    data = _object(item, "results")
    return ScannerResult(
        scanner=_get(data, "scanner", str),
        kind=_get(data, "kind", str),
        score=None if data.get("score") is None else _number(data, "score"),
        threshold=_number(data, "threshold"),
        triggered=_get(data, "triggered", bool),
        action=_get(data, "action", str),
        findings=tuple(_finding(finding) for finding in _get(data, "findings", list, [])),
        error=_get(data, "error", str, None),
        duration_ms=_number(data, "duration_ms", 0.0),
    )


def _finding(item: object) -> Finding:
    data = _object(item, "findings")
    return Finding(
        label=_get(data, "label", str),
        score=_number(data, "score"),
        start=_get(data, "start", int),
        end=_get(data, "end", int),
        view=_get(data, "view", str, "raw"),
    )


def _object(item: object, where: str) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise UnexpectedAnswer(f"the answer's {where} holds something that is no object")
    return item


_REQUIRED: Any = object()


def _get(data: Mapping[str, Any], name: str, kind: type[T], default: Any = _REQUIRED) -> T | Any:
    """The field *name*; a null counts as absent, and `true` is no number."""
    value = data.get(name)
    if value is None and default is not _REQUIRED:
        return default
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise UnexpectedAnswer(f"the answer's {name} is {'missing' if name not in data else f'no {kind.__name__}'}")
    return value


def _number(data: Mapping[str, Any], name: str, default: float | None = None) -> float:
    value = data.get(name, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise UnexpectedAnswer(f"the answer's {_safe(name)} is no number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise UnexpectedAnswer(f"the answer's {_safe(name)} is no finite number")
    return number


def _safe(name: str) -> str:
    return name if len(name) <= 64 and name.isidentifier() else "score"
