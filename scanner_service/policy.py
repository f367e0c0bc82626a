"""Policy: what a score means. Scanners measure, a `Rule` judges."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from scanner_service.evidence import Evidence
from scanner_service.findings import Action, Finding, ScannerResult, risk
from scanner_service.sanitizer import Operator, Redaction
from scanner_service.scanner import Scanner


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """
    One configured scanner with what follows from its findings.

    Attributes:
        name: unique in its chain; the caller sees and suppresses it by this name.
        kind: the kind of scanner.
        scanner: what measures.
        action: what is done once a finding reaches its threshold; a rule that monitors reports, and does nothing.
        threshold: 0 to 1, for labels without one of their own.
        thresholds: by label.
        on_error: what is done when the scanner could not run: `block` or `allow`. A rule that monitors never blocks.
        optional: whether a caller may suppress the rule.
        stops: whether nothing else runs once this rule blocks.
        operator: what stands where a finding was redacted.
        operators: by label.
        fold_variants: whether spellings of one value that differ in case, spacing or punctuation share a placeholder.
        added: labels that a request has it look for beyond its configuration.
    """

    name: str
    kind: str
    scanner: Scanner
    action: Action
    threshold: float = 0.5
    thresholds: Mapping[str, float] = field(default_factory=dict)
    on_error: Action = Action.BLOCK
    optional: bool = False
    stops: bool = False
    operator: Operator = Operator.REPLACE
    operators: Mapping[str, Operator] = field(default_factory=dict)
    fold_variants: bool = False
    added: frozenset[str] = frozenset()

    def judge(self, findings: Iterable[Finding], duration_ms: float = 0.0) -> ScannerResult:
        """Hold *findings* against their thresholds; the one with the highest risk gives the score."""
        kept: list[Finding] = []
        score, threshold, highest = 0.0, self.threshold, -2.0
        for finding in findings:
            limit = self.thresholds.get(finding.label, self.threshold)
            if finding.score >= limit:
                kept.append(finding)
            if (at := risk(finding.score, limit)) > highest:
                score, threshold, highest = finding.score, limit, at
        return ScannerResult(
            scanner=self.name,
            kind=self.kind,
            score=score,
            threshold=threshold,
            action=self.action if kept else Action.ALLOW,
            findings=sorted(kept, key=lambda finding: (finding.span, finding.label)),
            duration_ms=duration_ms,
        )

    def excuse(self, code: str, duration_ms: float = 0.0) -> ScannerResult:
        """The result of a scanner that could not run, with the *code* of the reason."""
        return ScannerResult(
            scanner=self.name,
            kind=self.kind,
            score=None,
            threshold=self.threshold,
            action=Action.ALLOW if self.action is Action.MONITOR else self.on_error,
            error=code,
            duration_ms=duration_ms,
        )

    def skip(self) -> ScannerResult:
        """The result of a scanner that did not run because the text was already blocked."""
        return ScannerResult(
            scanner=self.name,
            kind=self.kind,
            score=None,
            threshold=self.threshold,
            action=Action.ALLOW,
            error="skipped",
        )

    def redactions(self, result: ScannerResult) -> Iterator[Redaction]:
        """The edits that follow from *result*."""
        if result.action is Action.REDACT:
            for finding in result.findings:
                operator = self.operators.get(finding.label, self.operator)
                yield Redaction(finding.span, finding.label, operator, self.fold_variants)


@dataclass(frozen=True, slots=True)
class Policy:
    """
    A named pair of chains.

    Attributes:
        name: as callers name it.
        digest: changes whenever a rule, a threshold, a model or what is kept as evidence does.
        prompt: the rules for prompts, in order.
        output: the rules for outputs, in order.
        shadow: what runs beside it, if anything.
        evidence: which texts are kept, sealed, if any.
    """

    name: str
    digest: str
    prompt: Sequence[Rule]
    output: Sequence[Rule]
    shadow: Shadow | None = None
    evidence: Evidence | None = None


@dataclass(frozen=True, slots=True)
class Shadow:
    """A policy that runs beside another one and changes no answer, and the share of scans that it sees, 0 to 1."""

    policy: Policy
    share: float
