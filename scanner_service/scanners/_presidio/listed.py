"""Recognizers for what a configuration lists itself: patterns and words, in a linear-time engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from presidio_analyzer import LocalRecognizer, RecognizerResult

from scanner_service import linear_regex
from scanner_service.linear_regex import Pattern
from scanner_service.scanners._presidio.results import make_result
from scanner_service.scanners._presidio.tokens import LANGUAGE
from scanner_service.scanners._words import as_pattern, is_in_word
from scanner_service.text import Span


class Listed(LocalRecognizer):  # type: ignore[misc]
    """
    Reports what a linear-time pattern matches.

    Args:
        label: the entity.
        pattern: what it looks like.
        score: of each match, before context.
        context: words that raise it.
        whole_words: leave out matches that are a part of a word.
    """

    def __init__(
        self, label: str, pattern: Pattern, score: float, context: Sequence[str] = (), *, whole_words: bool = False
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
        for span in self._pattern.finditer(text):
            if not self._whole_words or _stands_alone(text, span):
                yield span


def any_of(words: Sequence[str]) -> Pattern:
    """
    A pattern for *words*, in any case; of two that start alike the longer one counts.

    Raises:
        ConfigError: if they are too many or too long for the engine.
    """
    longest_first = sorted(set(words), key=lambda word: (-len(word), word))
    return linear_regex.compile("|".join(map(_whole, longest_first)), case_sensitive=False)


def _whole(word: str) -> str:
    """The pattern for *word* where it stands alone, as far as an engine can tell whose letters are ASCII."""
    before, after = (r"\b" if edge.isascii() and is_in_word(edge) else "" for edge in (word[0], word[-1]))
    return before + as_pattern(word) + after


def _stands_alone(text: str, span: Span) -> bool:
    before, after = text[span.start - 1 : span.start] if span.start else "", text[span.end : span.end + 1]
    return not (is_in_word(before) and is_in_word(text[span.start])) and not (
        is_in_word(after) and is_in_word(text[span.end - 1])
    )
