"""Kind `classifier`: any labels of any sequence classifier in the manifest, over any views of the text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec

from scanner_service.errors import ConfigError
from scanner_service.findings import Finding
from scanner_service.scanner import Context, ModelInfo, Need
from scanner_service.text import Span, Text
from scanner_service.views import VIEWS


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Options of the kind.

    Attributes:
        model: a name in the manifest.
        labels: those of its labels that count.
        views: the derivations of the text that the model looks at; equal ones are looked at once.
    """

    labels: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    model: str = "guard"
    views: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)] = ("raw", "normalized", "decoded")


@dataclass(frozen=True, slots=True)
class Classifier:
    """Reports what a model says about each window of each view, as findings in the original text."""

    labels: frozenset[str]
    needs: Sequence[Need]

    def scan(self, text: Text, context: Context) -> Iterator[Finding]:
        """One finding for each label and window; one that several views have in the same place counts once."""
        seen: set[tuple[str, str, Span]] = set()
        for need in self.needs:
            for view, predictions in context.predictions[need]:
                for prediction in predictions:
                    if prediction.label not in self.labels:
                        continue
                    span = view.to_original(prediction.span)
                    key = (prediction.label, prediction.span.of(view.text), span)
                    if key not in seen:
                        seen.add(key)
                        yield Finding(prediction.label, prediction.score, span, need.view)


def build(config: Config, models: Mapping[str, ModelInfo]) -> Classifier:
    """
    Make the scanner.

    Raises:
        ConfigError: if the model, one of the labels or one of the views does not exist.
    """
    if config.model not in models:
        raise ConfigError(f"`$.options.model`: no `{config.model}` in the manifest; there are: {', '.join(models)}")
    known = models[config.model].labels
    for label in config.labels:
        if label not in known:
            raise ConfigError(f"`$.options.labels`: no `{label}`; `{config.model}` has: {', '.join(sorted(known))}")
    for view in config.views:
        if view not in VIEWS:
            raise ConfigError(f"`$.options.views`: no `{view}`; there are: {', '.join(VIEWS)}")
    return Classifier(frozenset(config.labels), tuple(Need(config.model, view) for view in config.views))
