"""presidio's engine, put together from our parts."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence

from presidio_analyzer import AnalyzerEngine, EntityRecognizer, RecognizerRegistry, RecognizerResult

from scanner_service.scanners._presidio.characters import plain
from scanner_service.scanners._presidio.context import NearbyWords
from scanner_service.scanners._presidio.tokens import LANGUAGE, Artifacts, Blank, Entity

# presidio writes words of the text into its debug messages, and a value that failed its check into an error.
logging.getLogger("presidio-analyzer").setLevel(logging.CRITICAL + 1)

_DIGIT = re.compile(r"\d")


class Analyzer:
    """
    Runs presidio's `AnalyzerEngine` over texts. Holds no state; several threads may use it at once.

    Args:
        recognizers: at least one.
        requires: by entity, what it cannot be without: `digit`, or one of the given strings with spaces between.
        context: whether context words raise scores.
    """

    def __init__(
        self, recognizers: Sequence[EntityRecognizer], requires: Mapping[str, str], *, context: bool = True
    ) -> None:
        self._entities = sorted({entity for recognizer in recognizers for entity in recognizer.supported_entities})
        self._requires = requires
        self._nlp = Blank()
        self._engine = AnalyzerEngine(
            registry=RecognizerRegistry(recognizers=list(recognizers), supported_languages=[LANGUAGE]),
            nlp_engine=self._nlp,
            supported_languages=[LANGUAGE],
            context_aware_enhancer=NearbyWords(recognizers if context else ()),
        )

    def analyze(self, text: str, found: Sequence[Entity] = ()) -> list[RecognizerResult]:
        """
        Everything the recognizers say about *text*, whatever its score.

        Args:
            text: of any length; the time taken grows in proportion.
            found: what a model found in it.
        """
        text = plain(text)
        has_digit = _DIGIT.search(text) is not None
        entities = [
            entity
            for entity in self._entities
            if (has_digit if (what := self._requires.get(entity)) == "digit" else _holds_any(text, what))
        ]
        if not entities:
            return []
        results: list[RecognizerResult] = self._engine.analyze(
            text, LANGUAGE, entities=entities, nlp_artifacts=Artifacts(text, self._nlp, found)
        )
        return results


def _holds_any(text: str, strings: str | None) -> bool:
    return strings is None or any(string in text for string in strings.split())
