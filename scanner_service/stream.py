"""Outputs that arrive in pieces: what is safe to show comes out, the rest is held back until it is."""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from scanner_service.engine import Engine
from scanner_service.findings import Action, Finding, ScannerResult, ScanResult
from scanner_service.policy import Rule
from scanner_service.restore import Restorer
from scanner_service.sanitizer import Redaction, sanitize
from scanner_service.scanner import Whole
from scanner_service.stages import Stage, together
from scanner_service.substitutes import Substitutes
from scanner_service.text import Span

# All in characters. A segment is what is decided at once; it ends behind a white space, so that no word is cut.
SEGMENT = 64
MARGIN = 96  # text behind a segment that is looked at with it: what begins inside shows where it ends
CONTEXT = 256  # text before it, for context words and for the classifiers
MAX_HELD = 8_192  # a word, or a finding that does not end, is held back no longer than this

# To make up stand-ins for more, or to put back more, takes longer than the event loop should be away from everybody
# else.
FEW_EDITS = 32
SMALL_VALUES = 1_024  # characters, of all known values together

_SPACE = re.compile(r"\s")


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
        self._substitutes = Substitutes("", known, key)
        self._restorer = Restorer(known or {})
        self._restores_little = sum(map(len, (known or {}).values())) <= SMALL_VALUES
        self._whole: list[str] | None = [] if len(self._piecewise) < len(rules) else None
        self._text = ""  # the output from `_base` on; what is decided and out of every context is forgotten
        self._base = 0
        self._done = 0  # up to where it is decided
        self._least = SEGMENT  # what the next segment must reach
        self._unspaced = (0, 0)  # where there is no white space to end it behind, so that it is not looked for again
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
        self._text += delta
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
        while not self.blocked and (window := self._next_window(final=final)) is not None:
            shown.append(await self._decide(window))
        self._shown += shown
        forget = max(0, self._done - CONTEXT - self._base)
        self._text, self._base = self._text[forget:], self._base + forget
        return "".join(shown)

    def _next_window(self, *, final: bool) -> _Window | None:
        """The next segment with its surroundings; None if it has not arrived yet."""
        arrived = self._base + len(self._text)
        cut = self._cut(arrived)
        if cut is None or cut + MARGIN > arrived:
            if not final or self._done == arrived:
                return None
            cut = arrived
        start, end = max(0, self._done - CONTEXT), min(cut + MARGIN, arrived)
        return _Window(start, self._done, cut, end, self._slice(start, end), complete=final and end == arrived)

    def _cut(self, arrived: int) -> int | None:
        longest = self._done + max(MAX_HELD, self._least)
        least = self._done + self._least - 1
        begin, end = self._unspaced
        space = _SPACE.search(self._text, (end if begin == least else least) - self._base, longest - self._base)
        if space is not None:
            return self._base + space.end()
        self._unspaced = (least, min(max(least, arrived), longest))
        return longest if arrived >= longest else None

    async def _decide(self, window: _Window) -> str:
        results: Sequence[ScannerResult] = ()
        if self._piecewise:
            scan = await self._scan(self._piecewise, window.text)
            results = [window.in_output(result) for result in scan.results]
        if any(result.blocks for result in results):
            self._keep(results, window.end)
            return ""
        self._substitutes.read_on(window.text)
        # Only what is redacted holds text back: what blocks is dealt with, and what monitors must slow nobody down.
        edited = (result for result in results if result.action is Action.REDACT)
        cut = self._settle(window, (finding.span for result in edited for finding in result.findings))
        if cut is None:
            self._least = 2 * (window.end - self._done)  # doubled, so that all attempts together stay linear
            return ""
        self._least = SEGMENT
        return await self._show(self._keep(results, cut), cut)

    def _settle(self, window: _Window, found: Iterable[Span]) -> int | None:
        """Where the segment can end without cutting anything; None if that is not known yet."""
        mentions = self._substitutes.stand_ins.mentions(window.text)
        cut = window.cut
        for span in sorted([*found, *(window.span_in_output(mention.span) for mention in mentions)]):
            if span.start >= cut or span.end <= self._done:
                continue
            if window.leaves_open(span) and window.end - self._done < MAX_HELD:
                return span.start if span.start > self._done else None
            cut = max(cut, span.end)
        return cut

    def _keep(self, results: Sequence[ScannerResult], cut: int) -> Sequence[ScannerResult]:
        """Record *results* with the findings that begin before *cut* and reach behind what is decided."""
        kept = []
        for rule, result in zip(self._piecewise, results, strict=True):
            findings = [
                replace(finding, span=Span(max(finding.span.start, self._done), min(finding.span.end, cut)))
                for finding in result.findings
                if finding.span.start < cut and finding.span.end > self._done
            ]
            # What is only seen in the margin is judged again when it is seen whole.
            seen = result if findings or not result.findings else rule.judge((), result.duration_ms)
            kept.append(replace(seen, findings=tuple(findings)))
            self._record(kept[-1])
        return kept

    async def _show(self, results: Sequence[ScannerResult], cut: int) -> str:
        edits = [
            replace(edit, span=Span(edit.span.start - self._done, edit.span.end - self._done))
            for rule, result in zip(self._piecewise, results, strict=True)
            for edit in rule.redactions(result)
        ]
        segment, behind = self._slice(self._done, cut), self._slice(cut, cut + MARGIN)
        self._done = cut
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

    def _slice(self, start: int, end: int) -> str:
        return self._text[start - self._base : end - self._base]


def judges_whole(rule: Rule) -> bool:
    """Whether the rule can only judge a text as a whole; its scanner says so."""
    return isinstance(rule.scanner, Whole) and rule.scanner.whole_text


@dataclass(frozen=True, slots=True)
class _Window:
    """A segment from `done` to `cut` with what is looked at around it, all in characters of the output."""

    start: int
    done: int
    cut: int
    end: int
    text: str
    complete: bool

    def span_in_output(self, span: Span) -> Span:
        """*span* of this window's text, in characters of the output."""
        return Span(span.start + self.start, span.end + self.start)

    def in_output(self, result: ScannerResult) -> ScannerResult:
        """The *result* of a scan of this window's text, with its findings where they are in the output."""
        findings = tuple(replace(finding, span=self.span_in_output(finding.span)) for finding in result.findings)
        return replace(result, findings=findings)

    def leaves_open(self, span: Span) -> bool:
        """
        Whether *span* may go on behind this window.

        What covers the context too, as the finding of a classifier does, says nothing about where it ends.
        """
        return not self.complete and span.end == self.end and (span.start > self.start or self.start == self.done)


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
