"""Context words: a number after the word *passport* is more likely one of a passport."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from presidio_analyzer import EntityRecognizer, RecognizerResult
from presidio_analyzer.context_aware_enhancers import ContextAwareEnhancer

from scanner_service.scanners._presidio.tokens import Artifacts, lemmas

# As in presidio: what a context word adds, and what the sum is at least.
BONUS = 0.35
AT_LEAST = 0.4

# How many words before an entity count, and how many after it, in the same sentence.
WORDS_BEFORE = 5
WORDS_AFTER = 3

_SENTENCE_ENDS = frozenset(".;!?")
# Behind a word that says what comes next: `Phone:`, `"phone":`, `phone=`.
_NAMES_WHAT_FOLLOWS = re.compile(r"[\"'`*]*[:=]")


class NearbyWords(ContextAwareEnhancer):  # type: ignore[misc]
    """
    Raises the score of results that stand near a context word of their recognizer.

    presidio's own enhancer looks for the token of each result from the first one on, which takes the square of the
    text's length, and finds context words inside others: *ip* in *pip*, *script* and *zip*. Here they are whole words
    or phrases, in any number.

    Args:
        recognizers: all that can give results, with their context words.
    """

    def __init__(self, recognizers: Iterable[EntityRecognizer]) -> None:
        super().__init__(BONUS, AT_LEAST, WORDS_BEFORE, WORDS_AFTER)
        self._phrases = {
            recognizer.id: tuple(f" {' '.join(lemmas(phrase))} " for phrase in recognizer.context)
            for recognizer in recognizers
        }

    def enhance_using_context(
        self,
        text: str,
        raw_results: list[RecognizerResult],
        nlp_artifacts: Artifacts,
        recognizers: Sequence[EntityRecognizer],
        context: Sequence[str] | None = None,
    ) -> list[RecognizerResult]:
        """*raw_results*, with their new scores."""
        seen: dict[tuple[int, int], str] = {}
        for result in raw_results:
            phrases = self._phrases.get(result.recognition_metadata[RecognizerResult.RECOGNIZER_IDENTIFIER_KEY])
            if phrases and result.score < self.MAX_SCORE:
                span = (result.start, result.end)
                nearby = seen[span] = seen.get(span) or self._nearby(result, nlp_artifacts)
                if any(phrase in nearby for phrase in phrases):
                    raised = max(result.score + self.context_similarity_factor, self.min_score_with_context_similarity)
                    result.score = min(round(raised, 4), self.MAX_SCORE)  # 0.3 and 0.35 are 0.65
        return raw_results

    def _nearby(self, result: RecognizerResult, artifacts: Artifacts) -> str:
        """The words before and after *result*, with a space around each; the two sides make no phrase together."""
        first = bisect_right(artifacts.tokens_indices, result.start) - 1
        last = bisect_right(artifacts.tokens_indices, result.end - 1)
        before = _take(reversed(range(first)), artifacts, self.context_prefix_count)
        after = _take(_to_end_of_sentence(last, artifacts), artifacts, self.context_suffix_count)
        return f" {' '.join(reversed(before))} | {' '.join(after)} "


def _take(indices: Iterable[int], artifacts: Artifacts, count: int) -> list[str]:
    """The lemmas of the first *count* tokens among *indices* that are words."""
    return list(islice(filter(None, map(artifacts.lemma, indices)), count))


def _to_end_of_sentence(first: int, artifacts: Artifacts) -> Iterator[int]:
    """The tokens from *first* on in its sentence and line, up to a word that is about what follows it."""
    tokens = artifacts.tokens
    for index in range(first, len(tokens)):
        if artifacts.begins_line(index) or not _SENTENCE_ENDS.isdisjoint(tokens[index]):
            return
        if index + 1 < len(tokens) and _NAMES_WHAT_FOLLOWS.match(tokens[index + 1]):
            return
        yield index
