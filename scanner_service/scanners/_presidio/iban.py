"""Bank account numbers (IBAN)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from presidio_analyzer import RecognizerResult
from presidio_analyzer.predefined_recognizers import IbanRecognizer

from scanner_service.scanners._presidio.results import make_result

# Characters of the shortest and the longest number (ISO 13616), without spaces.
SHORTEST = 15
LONGEST = 34


class Iban(IbanRecognizer):  # type: ignore[misc]
    """
    presidio's recognizer, in either case and with the end where the country's form puts it.

    presidio's own `analyze` says "nothing found" when a match takes too long, and tries only three ends.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(exact_match=True, **settings)

    def analyze(self, text: str, entities: Sequence[str], nlp_artifacts: Any = None) -> list[RecognizerResult]:
        """The numbers in *text*."""
        results = []
        for pattern in self.patterns:
            for match in pattern.compiled_regex.finditer(text):
                end = self._end(text, *match.span())
                if end:
                    results.append(make_result(self, self.supported_entities[0], match.start(), end, self.MAX_SCORE))
        return results

    def _end(self, text: str, start: int, end: int) -> int | None:
        """Where the number that begins at *start* ends, at the latest at *end*."""
        for last in range(end, start + SHORTEST - 1, -1):
            follows = text[last : last + 1]
            if text[last - 1].isalnum() and not (follows.isascii() and follows.isalnum()):
                value = text[start:last].replace(" ", "").replace("-", "").upper()
                if SHORTEST <= len(value) <= LONGEST and self.validate_result(value):
                    return last
        return None
