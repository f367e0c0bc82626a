"""Public test doubles for authors of scanners: `FakeModels` and `check_scanner`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial

from scanner_service.errors import ModelError
from scanner_service.findings import Finding
from scanner_service.scanner import Context, Labelled, ModelInfo, Prediction, Scanner
from scanner_service.text import Text
from scanner_service.views import VIEWS

Predict = Callable[[str], Sequence[Prediction]]


class FakeModels:
    """
    Models that are functions.

    Args:
        predict: by model name, a function from a text to predictions. What it raises, the model raises.
        labels: by model name; needed by scanners that check them when they are built.
    """

    def __init__(self, predict: Mapping[str, Predict], labels: Mapping[str, frozenset[str]] | None = None) -> None:
        self._predict = predict
        self.info = {
            name: ModelInfo((labels or {}).get(name, frozenset()), partial(_no_tokenizer, name), "0" * 64)
            for name in predict
        }
        self.calls: list[tuple[str, str]] = []

    async def room(self, models: Collection[str]) -> None:
        """There always is."""

    def read(self, model: str, text: str) -> str:
        """*text*; nothing is wrong with it for *model*."""
        return text

    def predict_at_once(self, model: str, reading: str) -> None:
        """Never: all go to `predict`."""

    async def predict(self, model: str, reading: str) -> Sequence[Prediction]:
        """What the function of *model* says about the text that was read; the call is noted in `calls`."""
        self.calls.append((model, reading))
        await asyncio.sleep(0)
        return self._predict[model](reading)


def _no_tokenizer(name: str) -> bytes:
    raise ModelError(f"the model `{name}` is a function and has no tokenizer")


def run_scanner(
    scanner: Scanner, value: str, predict: Mapping[str, Predict] | None = None, prompt: str | None = None
) -> list[Finding]:
    """Everything that *scanner* finds in *value*, its needs answered by the functions in *predict*."""
    text = Text(value)
    predictions = {
        need: [(view, (predict or {})[need.model](view.text)) for view in text.views(VIEWS[need.view])]
        for need in scanner.needs
    }
    return list(scanner.scan(text, Context(predictions, None if prompt is None else Text(prompt))))


def check_scanner(scanner: Scanner, values: Sequence[str], predict: Mapping[str, Predict] | None = None) -> None:
    """
    Assert what every scanner owes its callers: scores in range, spans inside the text, no label that it does
    not know of, the same answer twice.

    Raises:
        AssertionError: saying which promise is broken, and for which of *values* by its index.
    """
    for index, value in enumerate(values):
        findings = run_scanner(scanner, value, predict)
        for finding in findings:
            assert 0 <= finding.score <= 1, f"value {index}: score {finding.score} is outside 0 to 1"  # noqa: S101
            assert finding.span.end <= len(value), f"value {index}: {finding.span} is outside the text"  # noqa: S101
            assert finding.label.isupper(), f"value {index}: label {finding.label} is not upper case"  # noqa: S101
            assert not isinstance(scanner, Labelled) or finding.label in scanner.labels, (  # noqa: S101
                f"value {index}: {finding.label} is not among its labels"
            )
            assert finding.view in VIEWS, f"value {index}: {finding.view} is not a view"  # noqa: S101
        assert findings == run_scanner(scanner, value, predict), f"value {index}: two runs differ"  # noqa: S101
