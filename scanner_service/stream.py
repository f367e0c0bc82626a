"""Outputs that arrive in pieces: what is safe to show comes out, the rest is held back until it is."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from scanner_service.engine import Engine
from scanner_service.findings import Action, Finding, ScannerResult, ScanResult
from scanner_service.policy import Rule
from scanner_service.restore import Restorer
from scanner_service.sanitizer import Redaction, sanitize
from scanner_service.scanner import Labelled, Whole
from scanner_service.segments import MARGIN, MAX_HELD, Segments, Window
from scanner_service.stages import Stage, together
from scanner_service.substitutes import Substitutes
from scanner_service.text import Span

# To make up stand-ins for more, or to put back more, takes longer than the event loop should be away from everybody
# else.
FEW_EDITS = 32
SMALL_VALUES = 1_024  # characters, of all known values together

PRIVATE_KEY = "PRIVATE_KEY"  # of the kind `secrets`


class StreamScanner:
    """
    Scans one output piece by piece.

    Segments begin and end where the text says so, not where the pieces do: any split of an output into pieces gives
    the same text, findings and verdict, and the work is proportional to the length of the output. Rules that judge
    the text as a whole, such as `structure`, judge when it is complete.

    Args:
        engine: what runs the rules.
        rules: at least one.
        prompt: the prompt that the output answers.
        known: stand-ins in the output and the values to put in their place.
        key: of hashes and fakes, see `Substitutes`.

    Attributes:
        blocked: whether a rule has blocked; nothing more comes out then.
    """

    def __init__(
        self,
        engine: Engine,
        rules: Sequence[Rule],
        *,
        prompt: str | None = None,
        known: Mapping[str, str] | None = None,
        key: bytes = b"",
    ) -> None:
        if not rules:
            raise ValueError("a chain without rules would call everything valid")
        self.blocked = False
        self._engine = engine
        self._rules = rules
        self._prompt = prompt
        self._piecewise = [rule for rule in rules if not judges_whole(rule)]
        self._keeps_keys = any(map(_keeps_keys, self._piecewise))
        self._substitutes = Substitutes("", known, key)
        self._restorer = Restorer(known or {})
        self._restores_little = sum(map(len, (known or {}).values())) <= SMALL_VALUES
        self._whole: list[str] | None = [] if len(self._piecewise) < len(rules) else None
        self._segments = Segments()
        self._shown: list[str] = []
        self._judged: dict[str, ScannerResult] = {}  # without their findings
        self._found: defaultdict[str, list[Finding]] = defaultdict(list)
        self._stages: dict[str, Stage] = {}

    async def feed(self, delta: str) -> str:
        """
        Take the next piece; give what has become safe to show, often nothing.

        Raises:
            DeadlineExceeded: if a segment takes longer than the engine allows.
            Overloaded: if too much work is queued.
        """
        self._segments.add(delta)
        if self._whole is not None:
            self._whole.append(delta)
        return await self._advance(final=False)

    async def close(self) -> str:
        """The output is complete: give the rest of what is safe to show. `result` is ready then."""
        shown = await self._advance(final=True)
        if self._whole is not None and not self.blocked:
            rules = [rule for rule in self._rules if judges_whole(rule)]
            scan = await self._scan(rules, "".join(self._whole))
            for result in scan.results:
                self._record(result)
        return shown

    @property
    def result(self) -> ScanResult:
        """
        What was found so far, in characters of the output; complete after `close`, or once `blocked`.

        Of its stages each is that of all segments: since it first began, with the time that all of them took.
        """
        results = tuple(
            replace(self._judged[rule.name], findings=tuple(self._found[rule.name]))
            if rule.name in self._judged
            else rule.skip()
            for rule in self._rules
        )
        return ScanResult(results, "".join(self._shown), self._substitutes.values, tuple(self._stages.values()))

    async def _scan(self, rules: Sequence[Rule], text: str) -> ScanResult:
        scan = await self._engine.scan(rules, text, prompt=self._prompt)
        self._stages = together(self._stages, scan.stages)
        return scan

    async def _advance(self, *, final: bool) -> str:
        shown: list[str] = []
        while not self.blocked and (window := self._segments.next(final=final)) is not None:
            shown.append(await self._decide(window))
        self._shown += shown
        self._segments.forget()
        return "".join(shown)

    async def _decide(self, window: Window) -> str:
        results: Sequence[ScannerResult] = ()
        if self._piecewise:
            scan = await self._scan(self._piecewise, window.text)
            results = [
                _news(rule, _in_output(result, window), window.done)
                for rule, result in zip(self._piecewise, scan.results, strict=True)
            ]
        if any(result.blocks for result in results):
            self._keep(results, window.end)
            return ""
        self._substitutes.read_on(window.text)
        # Only what is redacted holds text back: what blocks is dealt with, and what monitors must slow nobody down.
        edited = (result for result in results if result.action is Action.REDACT)
        cut = self._settle(window, (finding.span for result in edited for finding in result.findings))
        if cut is None:
            self._segments.postpone(window)
            return ""
        return await self._show(self._keep(results, cut), cut)

    def _settle(self, window: Window, found: Iterable[Span]) -> int | None:
        """Where the segment can end without cutting anything; None if that is not known yet."""
        mentions = self._substitutes.stand_ins.mentions(window.text)
        cut, can_wait = window.cut, window.end - window.done < MAX_HELD
        begun = window.key_without_end() if self._keeps_keys and can_wait else ()
        for span in sorted([*found, *begun, *(window.span_in_whole(mention.span) for mention in mentions)]):
            if span.start >= cut or span.end <= window.done:
                continue
            if window.leaves_open(span) and can_wait:
                return span.start if span.start > window.done else None
            cut = max(cut, span.end)
        return cut

    def _keep(self, results: Sequence[ScannerResult], cut: int) -> Sequence[ScannerResult]:
        """Record *results* with the findings that begin before *cut*, and of them what is not decided yet."""
        kept, done = [], self._segments.done
        for rule, result in zip(self._piecewise, results, strict=True):
            findings = [
                replace(finding, span=Span(max(finding.span.start, done), min(finding.span.end, cut)))
                for finding in result.findings
                if finding.span.start < cut
            ]
            # What is only seen in the margin is judged again when it is seen whole.
            seen = result if findings or not result.findings else rule.judge((), result.duration_ms)
            kept.append(replace(seen, findings=tuple(findings)))
            self._record(kept[-1])
        return kept

    async def _show(self, results: Sequence[ScannerResult], cut: int) -> str:
        done = self._segments.done
        edits = [
            replace(edit, span=Span(edit.span.start - done, edit.span.end - done))
            for rule, result in zip(self._piecewise, results, strict=True)
            for edit in rule.redactions(result)
        ]
        segment, behind = self._segments.slice(done, cut), self._segments.slice(cut, cut + MARGIN)
        self._segments.decide(cut)
        if len(edits) <= FEW_EDITS and self._restores_little:
            return self._edit(segment, edits, behind)
        return await asyncio.to_thread(self._edit, segment, edits, behind)

    def _edit(self, segment: str, edits: Sequence[Redaction], behind: str) -> str:
        sanitized = sanitize(segment, edits, self._substitutes)
        return self._restorer.restore(sanitized + behind, len(sanitized))

    def _record(self, result: ScannerResult) -> None:
        self._found[result.scanner] += result.findings
        self._judged[result.scanner] = _combine(self._judged.get(result.scanner), replace(result, findings=()))
        self.blocked = self.blocked or result.blocks


def judges_whole(rule: Rule) -> bool:
    """Whether the rule can only judge a text as a whole; its scanner says so."""
    return isinstance(rule.scanner, Whole) and rule.scanner.whole_text


def _keeps_keys(rule: Rule) -> bool:
    """Whether the rule keeps private keys from being shown."""
    return (
        rule.action is not Action.MONITOR and isinstance(rule.scanner, Labelled) and PRIVATE_KEY in rule.scanner.labels
    )


def _in_output(result: ScannerResult, window: Window) -> ScannerResult:
    """The *result* of a scan of a window's text, with its findings where they are in the output."""
    findings = tuple(replace(finding, span=window.span_in_whole(finding.span)) for finding in result.findings)
    return replace(result, findings=findings)


def _news(rule: Rule, result: ScannerResult, done: int) -> ScannerResult:
    """
    The *result* of *rule* without the findings that end before *done*.

    What stands there was judged when it was seen whole. A window begins anywhere, and half a word, number or encoded
    stretch at its beginning may look like something that the output does not hold.
    """
    news = [finding for finding in result.findings if finding.span.end > done]
    return result if len(news) == len(result.findings) else rule.judge(news, result.duration_ms)


def _combine(before: ScannerResult | None, now: ScannerResult) -> ScannerResult:
    if before is None:
        return now
    worst = max(before, now, key=lambda result: -2.0 if result.risk is None else result.risk)
    return replace(
        worst,
        action=max(before.action, now.action, key=list(Action).index),
        error=before.error or now.error,
        duration_ms=before.duration_ms + now.duration_ms,
    )
