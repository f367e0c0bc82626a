"""What a scan finds: a `Finding` is measured, a `ScannerResult` is judged, a `ScanResult` is the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from scanner_service.stages import Stage
from scanner_service.text import Span


class Action(StrEnum):
    """What is done about a finding, mildest first. `allow` is what is done if there is none."""

    ALLOW = "allow"
    MONITOR = "monitor"
    REDACT = "redact"
    BLOCK = "block"


@dataclass(frozen=True, slots=True)
class Finding:
    """
    Something a scanner saw, not yet judged.

    Attributes:
        label: what was seen, in upper snake case, such as `INJECTION` or `EMAIL_ADDRESS`.
        score: how sure the scanner is, 0 to 1.
        span: where, in characters of the original text.
        view: the derivation in which it showed: `raw`, `normalized` or `decoded`.
    """

    label: str
    score: float
    span: Span
    view: str = "raw"

    def __post_init__(self) -> None:
        # Held against a threshold, what is no number would look harmless.
        if not 0 <= self.score <= 1:
            raise ValueError("a score is a number from 0 to 1")


@dataclass(frozen=True, slots=True)
class ScannerResult:
    """
    What one rule says about a text.

    Attributes:
        scanner: the name of the rule.
        kind: the kind of its scanner.
        score: the highest score, 0 to 1; None if the scanner could not run.
        threshold: what the score was held against.
        action: what is done: the action of the rule if it triggered, otherwise `allow`.
        findings: those at or over their thresholds, ordered by span.
        error: the code of what kept the scanner from running, or None.
        duration_ms: time inside the scanner, without the models it shares with others.
    """

    scanner: str
    kind: str
    score: float | None
    threshold: float
    action: Action
    findings: Sequence[Finding] = ()
    error: str | None = None
    duration_ms: float = 0.0

    @property
    def triggered(self) -> bool:
        """Whether the score reached the threshold."""
        return self.score is not None and bool(self.findings)

    @property
    def blocks(self) -> bool:
        """Whether this result alone makes the text invalid."""
        return self.action is Action.BLOCK

    @property
    def risk(self) -> float | None:
        """
        The score relative to its threshold, −1 to 1: over 0, or 0 and triggered, means triggered.

        A scanner that could not run has risk 1 if that blocks, and none at all if its policy excuses it.
        """
        if self.score is None:
            return 1.0 if self.blocks else None
        return risk(self.score, self.threshold)


def risk(score: float, threshold: float) -> float:
    """
    Where *score* lies relative to *threshold*: 0 at it, 1 at the highest score, −1 at the lowest.

    Finite for every threshold in [0, 1].
    """
    if score >= threshold:
        return (score - threshold) / (1 - threshold) if threshold < 1 else 0.0
    return (score - threshold) / threshold


@dataclass(frozen=True, slots=True)
class ScanResult:
    """
    The answer to one scan.

    Attributes:
        results: one per rule, in the order of the policy.
        sanitized: the text with every redaction applied.
        replaced: placeholder to the value it stands for, for all that can be put back.
        stages: what took time; no part of what was found.
        cached: whether the results came from memory.
    """

    results: Sequence[ScannerResult]
    sanitized: str
    replaced: Mapping[str, str] = field(default_factory=dict)
    stages: tuple[Stage, ...] = field(default=(), compare=False)
    cached: bool = field(default=False, compare=False)

    @property
    def is_valid(self) -> bool:
        """Whether nothing blocks."""
        return not any(result.blocks for result in self.results)
