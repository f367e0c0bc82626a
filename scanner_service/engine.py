"""The engine: derive, predict, scan, judge and sanitize, within a deadline and off the event loop."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from scanner_service.errors import DeadlineExceeded, ModelError, Overloaded
from scanner_service.findings import ScannerResult, ScanResult
from scanner_service.logs import log_failure
from scanner_service.policy import Rule
from scanner_service.sanitizer import sanitize
from scanner_service.scanner import Context, ModelInfo, Need, Prediction
from scanner_service.stages import Stopwatch
from scanner_service.substitutes import Substitutes
from scanner_service.text import Text, View
from scanner_service.views import VIEWS

log = logging.getLogger(__name__)

T = TypeVar("T")

# Scanners are pure Python and share one lock; a second thread only keeps a long text from delaying a short one.
SCAN_THREADS = 2


class Models(Protocol):
    """
    What answers needs: `inference.pool.ModelPool` in production, `testing.FakeModels` in tests.

    Attributes:
        info: the models there are, by name.
    """

    @property
    def info(self) -> Mapping[str, ModelInfo]: ...

    def read(self, model: str, text: str) -> Any:
        """
        *text* as `predict` takes it. Called in a thread.

        Raises:
            ModelError: if the model cannot read it.
        """
        ...

    async def predict(self, model: str, reading: Any) -> Sequence[Prediction]:
        """
        What *model* says about what it has read.

        Raises:
            ModelError: if the model cannot say.
            Overloaded: if too much work is queued.
        """
        ...


class Engine:
    """
    Runs chains of rules over texts.

    The stages of a scan are `prepare`, the rules that need no model and, for those that do, the views and their tokens;
    `infer`, if models are needed; `judge`, the rules that need them; and `sanitize`. Each includes what it waits for.

    Args:
        models: what answers the needs of scanners.
        timeout: seconds from the call of `scan` to its answer or `DeadlineExceeded`.
    """

    def __init__(self, models: Models, timeout: float) -> None:
        self._models = models
        self._timeout = timeout
        self._threads = ThreadPoolExecutor(SCAN_THREADS, thread_name_prefix="scan")

    def close(self) -> None:
        """Let go of the threads. Scans still running end by themselves."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def scan(
        self,
        rules: Sequence[Rule],
        text: str,
        *,
        prompt: str | None = None,
        substitutes: Substitutes | None = None,
        fail_fast: bool = False,
    ) -> ScanResult:
        """
        Run *rules* over *text*.

        Args:
            rules: what to hold the text against, at least one.
            text: a prompt, or an output.
            prompt: the prompt that the output answers, if the text is an output.
            substitutes: what gives out the stand-ins of redacted values, if not only for this text.
            fail_fast: stop at the first rule that blocks; the others are reported as skipped.

        Raises:
            DeadlineExceeded: if it takes longer than the timeout.
            Overloaded: if too much work is queued already.
        """
        if not rules:
            raise ValueError("a chain without rules would call everything valid")
        context = None if prompt is None else Text(prompt)
        scan = _Scan(rules, Text(text), context, substitutes or Substitutes(text), fail_fast, self._timeout)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._timeout):
                readings = await loop.run_in_executor(self._threads, scan.prepare, self._models)
                scan.watch.lap("prepare")
                predicted = await self._predict(readings)
                if scan.wanted:
                    scan.watch.lap("infer")
                return await loop.run_in_executor(self._threads, scan.finish, predicted)
        except TimeoutError:
            raise DeadlineExceeded("the scan did not end in time") from None
        finally:
            scan.abandon()

    async def answer(
        self, rules: Sequence[Rule], results: Sequence[ScannerResult], text: str, substitutes: Substitutes
    ) -> ScanResult:
        """The answer to a scan of *text* whose *results*, one for each of *rules*, are known already."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, _edited, rules, results, text, substitutes, Stopwatch())

    async def _predict(self, readings: _Readings) -> _Predicted:
        predicted: dict[tuple[str, str], Sequence[Prediction] | ModelError] = {}
        calls = {}
        for call, reading in readings.items():
            if isinstance(reading, ModelError):
                predicted[call] = reading
            else:
                calls[call] = self._models.predict(call[0], reading)
        for call, answer in zip(calls, await _together(list(calls.values())), strict=True):
            if isinstance(answer, Overloaded) or (
                isinstance(answer, BaseException) and not isinstance(answer, Exception)
            ):
                raise answer
            predicted[call] = _model_error(call[0], answer) if isinstance(answer, BaseException) else answer
        return predicted


async def _together(calls: Sequence[Coroutine[Any, Any, T]]) -> Sequence[T | BaseException]:
    """What each of *calls* gives or raises. One alone, the usual case, goes without a task of its own."""
    if len(calls) != 1:
        answers: Sequence[T | BaseException] = await asyncio.gather(*calls, return_exceptions=True)
        return answers
    try:
        return [await calls[0]]
    except Exception as error:  # noqa: BLE001 - as above
        return [error]


# By model and text.
_Readings = Mapping[tuple[str, str], Any]
_Predicted = Mapping[tuple[str, str], Sequence[Prediction] | ModelError]


@dataclass(slots=True)
class _Scan:
    """One text on its way through the engine. Its methods run in a worker thread."""

    rules: Sequence[Rule]
    text: Text
    prompt: Text | None
    substitutes: Substitutes
    fail_fast: bool
    timeout: float
    wanted: dict[Need, Sequence[View]] = field(default_factory=dict)
    watch: Stopwatch = field(default_factory=Stopwatch)
    _results: dict[str, ScannerResult] = field(default_factory=dict)
    _stopped: bool = False
    _deadline: float = 0.0

    def __post_init__(self) -> None:
        self._deadline = time.monotonic() + self.timeout

    def abandon(self) -> None:
        """Nobody waits any more: what still runs in a thread ends before its next rule."""
        self._deadline = 0.0

    def prepare(self, models: Models) -> _Readings:
        """
        Run the rules that need no model, then derive what the others need, unless a rule has stopped the scan.

        Returns what *models* have read, or the `ModelError` where one could not.
        """
        for rule in self.rules:
            if not rule.scanner.needs:
                self._run(rule, Context(prompt=self.prompt))
        if not self._stopped:
            for need in {need for rule in self.rules for need in rule.scanner.needs}:
                self.wanted[need] = self.text.views(VIEWS[need.view])
        readings: dict[tuple[str, str], Any] = {}
        for need, views in self.wanted.items():
            for view in views:
                if (call := (need.model, view.text)) not in readings:
                    self._check_deadline()
                    readings[call] = _read(models, *call)
        return readings

    def finish(self, predicted: _Predicted) -> ScanResult:
        """Run the rules that need models, and edit the text."""
        answers: dict[Need, Sequence[tuple[View, Sequence[Prediction]]]] = {}
        for need, views in self.wanted.items():
            pairs = [(view, predicted[need.model, view.text]) for view in views]
            if not any(isinstance(answer, ModelError) for _, answer in pairs):
                answers[need] = [(view, answer) for view, answer in pairs if not isinstance(answer, ModelError)]
        for rule in self.rules:
            if rule.scanner.needs:
                self._run(rule, Context(answers, self.prompt))
        results = tuple(self._results[rule.name] for rule in self.rules)
        self.watch.lap("judge")
        return _edited(self.rules, results, self.text.value, self.substitutes, self.watch)

    def _run(self, rule: Rule, context: Context) -> None:
        self._check_deadline()
        result = rule.skip() if self._stopped else self._result(rule, context)
        self._results[rule.name] = result
        self._stopped = self._stopped or (result.blocks and (self.fail_fast or rule.stops))

    def _check_deadline(self) -> None:
        if time.monotonic() > self._deadline:
            raise DeadlineExceeded("the scan did not end in time")

    def _result(self, rule: Rule, context: Context) -> ScannerResult:
        started = time.perf_counter()
        if any(need not in context.predictions for need in rule.scanner.needs):
            return rule.excuse("model_failed")
        try:
            findings = list(rule.scanner.scan(self.text, context))
        except Exception as error:  # noqa: BLE001 - whatever it is, the rule did not run and must say so
            log_failure(log, "could not run", error, what="scanner", which=rule.name)
            return rule.excuse("scanner_failed", _ms_since(started))
        return rule.judge(findings, _ms_since(started))


def _read(models: Models, model: str, text: str) -> Any:
    try:
        return models.read(model, text)
    except Exception as error:  # noqa: BLE001 - the rules that need it did not run and must say so
        return _model_error(model, error)


def _model_error(model: str, error: BaseException) -> ModelError:
    log_failure(log, "could not run", error, what="model", which=model)
    return ModelError(f"the model `{model}` could not run")


def _edited(
    rules: Sequence[Rule], results: Sequence[ScannerResult], text: str, substitutes: Substitutes, watch: Stopwatch
) -> ScanResult:
    redactions = [edit for rule, result in zip(rules, results, strict=True) for edit in rule.redactions(result)]
    sanitized = sanitize(text, redactions, substitutes)
    watch.lap("sanitize")
    return ScanResult(results, sanitized, substitutes.values, tuple(watch.stages))


def _ms_since(started: float) -> float:
    return (time.perf_counter() - started) * 1000
