import pytest

from training import documents, unseen
from training.rows import Attack, Tagged

PROSE = [
    Tagged(f"Sentence {i} of the news is about the harbour of town {i}.", "wikineural_en", (), frozenset())
    for i in range(4_000)
]


def long_texts(count, *, calibration):
    (made,) = unseen.long_texts(PROSE, count, calibration=calibration)  # none is buried where there are no attacks
    return made.texts


def pieces(texts, size=200):
    return {text[at : at + size] for text in texts for at in range(0, len(text) - size, size)}


def test_long_documents_have_the_length_that_the_card_says():
    assert {2_000 <= len(text) <= 30_000 for text in long_texts(60, calibration=False)} == {True}


def test_no_document_that_is_measured_with_is_one_that_thresholds_are_chosen_on():
    chosen_on = "\0".join(long_texts(200, calibration=True))
    measured = pieces(long_texts(60, calibration=False))
    assert len(measured) > 1_000
    common = [piece for piece in measured if piece in chosen_on]
    assert len(common) < 0.1 * len(measured)
    # Chapters of the manual repeat each other, and so do descriptions of packages.
    whole = [text for _, text in documents.documents()]
    assert all(sum(piece in text for text in whole) > 1 for piece in common)


def test_what_quotes_attacks_in_this_repository_is_no_harmless_document():
    assert not [name for name, _ in documents.documents() if "scanner-service" in name]


def test_nothing_is_measured_without_what_people_ordinarily_send():
    rows = [Attack(f"Say {i}", "spikee", 1, "direct") for i in range(100)]
    with pytest.raises(ValueError, match="alpaca"):
        unseen.injection(rows, 10, calibration=False)
    rows += [Attack(f"Tell {i}", "alpaca", 0, "benign") for i in range(100)]
    made = unseen.injection(rows, 20, calibration=False)
    assert {sample.source for sample in made} == {"alpaca", "spikee", "long_documents", "buried_in_documents"}
    assert all(not unseen.calibrates(text) for sample in made[:2] for text in sample.texts)


def test_no_text_with_names_that_is_measured_with_is_one_that_the_temperature_is_chosen_on():
    halves = [
        {row.text for row in unseen.entities(PROSE, 9_999, calibration=half)["wikineural_en"]} for half in (False, True)
    ]
    assert all(halves)
    assert halves[0].isdisjoint(halves[1])
    assert halves[0] | halves[1] == {row.text for row in PROSE}
