"""The entity head of a model, as a recognizer of presidio."""

from __future__ import annotations

from collections.abc import Sequence

from presidio_analyzer import LocalRecognizer, RecognizerResult

from scanner_service.scanners._presidio.results import make_result
from scanner_service.scanners._presidio.tokens import LANGUAGE, Artifacts


class EntityHead(LocalRecognizer):  # type: ignore[misc]
    """
    Reports one label of what a model found. The model ran before; see `tokens.Artifacts`.

    Args:
        label: the entity.
        context: words that raise the score.
    """

    def __init__(self, label: str, context: Sequence[str] = ()) -> None:
        super().__init__(supported_entities=[label], supported_language=LANGUAGE, context=list(context))

    def load(self) -> None:
        """There is nothing to load."""

    def analyze(self, text: str, entities: Sequence[str], nlp_artifacts: Artifacts) -> list[RecognizerResult]:
        """What the model found, with its own scores."""
        return [
            make_result(self, entity.label_, entity.start_char, entity.end_char, entity.score)
            for entity in nlp_artifacts.entities
            if entity.label_ in self.supported_entities
        ]
