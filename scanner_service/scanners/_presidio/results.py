"""presidio's result type, filled in the way its engine needs it."""

from __future__ import annotations

from presidio_analyzer import EntityRecognizer, RecognizerResult


def make_result(recognizer: EntityRecognizer, entity: str, start: int, end: int, score: float) -> RecognizerResult:
    """That *recognizer* found an *entity* in characters *start* to *end* of the text."""
    return RecognizerResult(
        entity,
        start,
        end,
        score,
        recognition_metadata={
            RecognizerResult.RECOGNIZER_NAME_KEY: recognizer.name,
            RecognizerResult.RECOGNIZER_IDENTIFIER_KEY: recognizer.id,
        },
    )
