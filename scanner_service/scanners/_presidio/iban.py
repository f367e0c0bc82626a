"""Bank account numbers (IBAN)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from presidio_analyzer import RecognizerResult
from presidio_analyzer.predefined_recognizers import IbanRecognizer

from scanner_service.scanners._presidio.results import make_result


class Iban(IbanRecognizer):  # type: ignore[misc]
    """
    presidio's recognizer, in either case; the pattern in `data/pii.toml` knows where each country's numbers end.

    presidio's own `analyze` says "nothing found" when a match takes too long, and loses a number behind what only
    begins like one.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(exact_match=True, **settings)

    def analyze(self, text: str, entities: Sequence[str], nlp_artifacts: Any = None) -> list[RecognizerResult]:
        """The numbers in *text*, apart from each other."""
        results = []
        for pattern in self.patterns:
            end = 0
            for match in pattern.compiled_regex.finditer(text):
                if match.start() >= end and self.validate_result(match[0].upper()):
                    end = match.end()
                    results.append(make_result(self, self.supported_entities[0], match.start(), end, self.MAX_SCORE))
        return results
