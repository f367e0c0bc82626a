"""Recognizers for what a configuration lists itself: patterns and words, in a linear-time engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from presidio_analyzer import LocalRecognizer, RecognizerResult

from scanner_service import linear_regex
from scanner_service.linear_regex import Pattern, PatternSet
from scanner_service.scanners._presidio.results import make_result
from scanner_service.scanners._presidio.tokens import LANGUAGE
from scanner_service.scanners._words import inside_word, whole
from scanner_service.text import Span


class Listed(LocalRecognizer):  # type: ignore[misc]
    """
    Reports what linear-time patterns match.

    Args:
        label: the entity.
        pattern: what it looks like; of what several of them match, presidio leaves out parts of longer matches.
        score: of each match, before context.
        context: words that raise it.
        whole_words: leave out matches that are a part of a word.
    """

    def __init__(
        self,
        label: str,
        pattern: Pattern | PatternSet,
        score: float,
        context: Sequence[str] = (),
        *,
        whole_words: bool = False,
    ) -> None:
        super().__init__(supported_entities=[label], supported_language=LANGUAGE, context=list(context))
        self._pattern = pattern
        self._score = score
        self._whole_words = whole_words

    def load(self) -> None:
        """There is nothing to load."""

    def analyze(self, text: str, entities: Sequence[str], nlp_artifacts: Any = None) -> list[RecognizerResult]:
        """All matches in *text*."""
        return [
            make_result(self, self.supported_entities[0], span.start, span.end, self._score)
            for span in self._spans(text)
        ]

    def _spans(self, text: str) -> Iterator[Span]:
        return self._pattern.finditer(text, instead=inside_word if self._whole_words else None)


def any_of(words: Sequence[str]) -> PatternSet:
    """
    Patterns for *words*, in any case, where they may stand alone.

    Raises:
        ConfigError: if one is too long for the engine.
    """
    return PatternSet([linear_regex.compile(whole(word), case_sensitive=False) for word in dict.fromkeys(words)])
