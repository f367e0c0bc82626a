"""Bank account numbers (IBAN)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from presidio_analyzer import RecognizerResult
from presidio_analyzer.predefined_recognizers import IbanRecognizer

from scanner_service.scanners._presidio.results import make_result

# The account in the numbers of countries that presidio does not know or has wrong (ISO 13616, IBAN Registry).
_FORMS: Mapping[str, re.Pattern[str]] = {
    country: re.compile(form, re.ASCII)
    for country, form in {
        "BI": r"\d{23}",
        "DJ": r"\d{23}",
        "FK": r"[A-Z]{2}\d{12}",
        "HN": r"[A-Z]{4}\d{20}",
        "MN": r"\d{16}",
        "MU": r"[A-Z]{4}\d{19}[A-Z]{3}",
        "NI": r"[A-Z]{4}\d{20}",
        "OM": r"\d{3}[A-Z0-9]{16}",
        "PS": r"[A-Z]{4}[A-Z0-9]{21}",
        "PT": r"\d{21}",
        "QA": r"[A-Z]{4}[A-Z0-9]{21}",
        "RU": r"\d{14}[A-Z0-9]{15}",
        "SD": r"\d{14}",
        "SO": r"\d{19}",
        "ST": r"\d{21}",
        "SV": r"[A-Z]{4}\d{20}",
        "YE": r"[A-Z]{4}\d{4}[A-Z0-9]{18}",
    }.items()
}
_GAPS = re.compile("[ -]")


class Iban(IbanRecognizer):  # type: ignore[misc]
    """
    presidio's recognizer, in either case; the pattern in `data/pii.toml` knows where each country's numbers end.

    presidio's own `analyze` says "nothing found" when a match takes too long, and loses a number behind what only
    begins like one.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(exact_match=True, **settings)

    def validate_result(self, pattern_text: str) -> bool | None:
        """Whether the account has the form of its country, and the check digits are right."""
        number = _GAPS.sub("", pattern_text)
        form = _FORMS.get(number[:2])
        if form is None:
            valid: bool | None = super().validate_result(number)
            return valid
        digits = "".join(str(int(character, 36)) for character in number[4:] + number[:4])
        return form.fullmatch(number, 4) is not None and int(digits) % 97 == 1

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
