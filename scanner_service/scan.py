"""One text under the rules, in steps that run in a thread: before the models, and after them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from scanner_service.errors import DeadlineExceeded, ModelError, ViewError
from scanner_service.findings import ScannerResult, ScanResult
from scanner_service.logs import log_failure
from scanner_service.policy import Rule
from scanner_service.sanitizer import sanitize
from scanner_service.scanner import Context, Need, Prediction
from scanner_service.stages import Stopwatch
from scanner_service.substitutes import Substitutes
from scanner_service.text import Text, View
from scanner_service.views import VIEWS

log = logging.getLogger(__name__)

# By model and text.
Readings = Mapping[tuple[str, str], Any]
Predicted = Mapping[tuple[str, str], Sequence[Prediction] | ModelError]


class Deadline:
    """
    When work in a thread has to be done.

    Args:
        seconds: from now on.
    """

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds

    def abandon(self) -> None:
        """Nobody waits any more: the work ends when it next checks."""
        self._at = 0.0

    def check(self) -> None:
        """
        Called by the work, again and again.

        Raises:
            DeadlineExceeded: if it is past, or nobody waits.
        """
        if time.monotonic() > self._at:
            raise DeadlineExceeded("the scan did not end in time")


@dataclass(slots=True)
class Scan:
    """
    One text on its way through the engine. Its methods take their time, and belong in a thread.

    Attributes:
        rules: what the text is held against.
        text: it.
        prompt: what it answers, if it is an output.
        substitutes: what gives out the stand-ins of redacted values.
        fail_fast: whether to stop at the first rule that blocks.
        deadline: when no rule begins any more, no further text is read and no stand-in made up.
        wanted: the views that models are asked about, once it is prepared.
        predicted: what they answered.
        watch: what took time.
    """

    rules: Sequence[Rule]
    text: Text
    prompt: Text | None
    substitutes: Substitutes
    fail_fast: bool
    deadline: Deadline
    wanted: dict[Need, Sequence[View]] = field(default_factory=dict)
    predicted: dict[tuple[str, str], Sequence[Prediction] | ModelError] = field(default_factory=dict)
    watch: Stopwatch = field(default_factory=Stopwatch)
    _results: dict[str, ScannerResult] = field(default_factory=dict)
    _stopped: bool = False

    def __post_init__(self) -> None:
        self.text.check = self.deadline.check

    def prepare(self, read: Callable[[str, str], Any]) -> Readings:
        """
        Run the rules that need no model, then derive what the others need, unless a rule has stopped the scan.

        Args:
            read: makes of the name of a model and a text what that model takes.

        Returns:
            what was read, or the `ModelError` where it could not be.

        Raises:
            DeadlineExceeded: if it takes too long, or nobody waits.
        """
        for rule in self.rules:
            if not rule.scanner.needs:
                self._run(rule, Context(prompt=self.prompt))
        if not self._stopped:
            for need in {need for rule in self.rules for need in rule.scanner.needs}:
                try:
                    self.wanted[need] = self.text.views(VIEWS[need.view])
                except ViewError as error:
                    log_failure(log, "could not be derived", error, what="view", which=need.view)
        readings: dict[tuple[str, str], Any] = {}
        for need, views in self.wanted.items():
            for view in views:
                if (call := (need.model, view.text)) not in readings:
                    self.deadline.check()
                    readings[call] = _read(read, *call)
        self.watch.lap("prepare")
        return readings

    def ask(self, readings: Readings, at_once: Callable[[str, Any], Sequence[Prediction] | None]) -> Readings:
        """
        Those of *readings* that models are yet to be asked about; what they say *at_once* about the others is kept.

        Raises:
            DeadlineExceeded: if it takes too long, or nobody waits.
        """
        waiting: dict[tuple[str, str], Any] = {}
        for (model, text), reading in readings.items():
            self.deadline.check()
            answer = reading if isinstance(reading, ModelError) else _asked(at_once, model, reading)
            if answer is None:
                waiting[model, text] = reading
            else:
                self.predicted[model, text] = answer
        return waiting

    def finish(self) -> ScanResult:
        """
        Run the rules that need models, once these have answered, and edit the text.

        Raises:
            DeadlineExceeded: if it takes too long, or nobody waits.
        """
        if self.wanted:
            self.watch.lap("infer")
        answers: dict[Need, Sequence[tuple[View, Sequence[Prediction]]]] = {}
        for need, views in self.wanted.items():
            pairs = [(view, self.predicted[need.model, view.text]) for view in views]
            if not any(isinstance(answer, ModelError) for _, answer in pairs):
                answers[need] = [(view, answer) for view, answer in pairs if not isinstance(answer, ModelError)]
        for rule in self.rules:
            if rule.scanner.needs:
                self._run(rule, Context(answers, self.prompt))
        results = tuple(self._results[rule.name] for rule in self.rules)
        self.watch.lap("judge")
        return edited(self.rules, results, self.text.value, self.substitutes, watch=self.watch, deadline=self.deadline)

    def _run(self, rule: Rule, context: Context) -> None:
        self.deadline.check()
        result = rule.skip() if self._stopped else self._result(rule, context)
        self._results[rule.name] = result
        self._stopped = self._stopped or (result.blocks and (self.fail_fast or rule.stops))

    def _result(self, rule: Rule, context: Context) -> ScannerResult:
        started = time.perf_counter()
        if any(need not in context.predictions for need in rule.scanner.needs):
            derived = all(need in self.wanted for need in rule.scanner.needs)
            return rule.excuse("model_failed" if derived else "scanner_failed")
        try:
            findings = list(rule.scanner.scan(self.text, context))
        except DeadlineExceeded:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the rule did not run and must say so
            log_failure(log, "could not run", error, what="scanner", which=rule.name)
            return rule.excuse("scanner_failed", _ms_since(started))
        return rule.judge(findings, _ms_since(started))


def _read(read: Callable[[str, str], Any], model: str, text: str) -> Any:
    try:
        return read(model, text)
    except Exception as error:  # noqa: BLE001 - the rules that need it did not run and must say so
        return model_error(model, error)


def _asked(
    at_once: Callable[[str, Any], Sequence[Prediction] | None], model: str, reading: Any
) -> Sequence[Prediction] | ModelError | None:
    try:
        return at_once(model, reading)
    except Exception as error:  # noqa: BLE001 - as above
        return model_error(model, error)


def model_error(model: str, error: BaseException) -> ModelError:
    """What rules are told of the *error* of a model, which goes to the log without its message."""
    log_failure(log, "could not run", error, what="model", which=model)
    return ModelError(f"the model `{model}` could not run")


def edited(
    rules: Sequence[Rule],
    results: Sequence[ScannerResult],
    text: str,
    substitutes: Substitutes,
    *,
    watch: Stopwatch,
    deadline: Deadline,
) -> ScanResult:
    """
    The *text* with what the *rules* make of their *results*, one for each of them.

    Raises:
        DeadlineExceeded: if it takes too long, or nobody waits.
    """
    redactions = [edit for rule, result in zip(rules, results, strict=True) for edit in rule.redactions(result)]
    sanitized = sanitize(text, redactions, substitutes, deadline.check)
    watch.lap("sanitize")
    return ScanResult(results, sanitized, substitutes.values, tuple(watch.stages))


def _ms_since(started: float) -> float:
    return (time.perf_counter() - started) * 1000
