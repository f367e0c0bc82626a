"""The entity head of a model, as a recognizer of presidio."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from presidio_analyzer import EntityRecognizer, LocalRecognizer, RecognizerResult

from scanner_service.scanners._presidio.results import make_result
from scanner_service.scanners._presidio.tokens import LANGUAGE, Artifacts, Entity

NAMES = frozenset({"PERSON", "LOCATION", "ORGANIZATION"})

# A capital within a sentence: the writer of this text uses them.
_CAPITAL = re.compile(r"[a-z,;] [A-Z][a-z]")

# What the score of a name in small letters counts there: at the usual threshold of 0.5 the model must be sure (0.91).
SMALL_LETTERS = 0.55

# A model does not see where lines end, and takes what a form asks next for a part of a name.
_IN_A_LINE = re.compile(r"\S(?:[^\r\n]*\S)?")


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
        """What the model found, line by line, with its scores; lower ones for names that have lost their capitals."""
        found = [entity for entity in nlp_artifacts.entities if entity.label_ in self.supported_entities]
        capitals = bool(found) and _CAPITAL.search(text) is not None
        return [
            make_result(self, one.label_, *part.span(), one.score * _trust(one, text, capitals=capitals))
            for one in found
            for part in _IN_A_LINE.finditer(text, one.start_char, one.end_char)
        ]


def outside_values(results: Sequence[RecognizerResult]) -> Sequence[RecognizerResult]:
    """
    The *results* without those of a model inside a value that was checked: `ann` in `ann@example.com` is a part of it.

    Only where the value is beyond doubt, so that no threshold lets it pass and the name with it.
    """
    certain = [each for each in results if each.score >= EntityRecognizer.MAX_SCORE and not _is_of_model(each)]
    checked = sorted((each.start, each.end) for each in certain)
    starts, ends = [start for start, _ in checked], list(accumulate((end for _, end in checked), max))

    def is_outside(result: RecognizerResult) -> bool:
        before = bisect_right(starts, result.start)
        return before == 0 or ends[before - 1] < result.end

    return [each for each in results if not _is_of_model(each) or is_outside(each)]


def _is_of_model(result: RecognizerResult) -> bool:
    return bool(result.recognition_metadata[RecognizerResult.RECOGNIZER_NAME_KEY] == EntityHead.__name__)


def _trust(entity: Entity, text: str, *, capitals: bool) -> float:
    small = capitals and entity.label_ in NAMES and text[entity.start_char : entity.end_char].islower()
    return SMALL_LETTERS if small else 1.0
