from pathlib import Path

import numpy as np
import pytest

from training.predict import Model
from training.rows import TAGS, Tagged
from training.sureness import best_temperature, calibrate

WORDS = [(at * 2, at * 2 + 1) for at in range(200)]
TEXT = " ".join("x" * 200)
GUARD = Path(__file__).parents[2] / "models" / "guard"
MARKED = frozenset({"PERSON", "LOCATION", "ORGANIZATION"})


def drawn(times):
    """A text whose tags are drawn with the probabilities of its logits, and these *times* as large."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (len(WORDS), len(TAGS)))
    logits[:, [tag[:2] == "I-" or tag[2:] not in {"", *MARKED} for tag in TAGS]] = -30
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    kinds = [TAGS[rng.choice(len(TAGS), p=share)][2:] for share in shares]
    spans = tuple((*at, kind) for at, kind in zip(WORDS, kinds, strict=True) if kind)
    return Tagged(TEXT, "news", spans, MARKED), times * logits, WORDS


@pytest.mark.parametrize("times", [1, 2, 3])
def test_too_large_logits_are_cooled(times):
    assert best_temperature([drawn(times)]) == pytest.approx(times, rel=0.15)


def test_a_type_that_a_source_does_not_mark_says_nothing_about_the_temperature():
    row, logits, words = drawn(1)
    raised = logits.copy()
    raised[:, TAGS.index("B-DATE")] = 40
    assert best_temperature([(row, raised, words)]) == best_temperature([(row, logits, words)])


@pytest.mark.parametrize("groups", [{}, {"letters": [Tagged("a " * 500, "letters", (), MARKED)]}])
def test_without_sources_of_names_that_fit_a_window_nothing_is_chosen(groups):
    model = Model(GUARD / "model.int8.onnx", GUARD / "tokenizer.json")
    assert calibrate(model, groups) == {
        "temperature": 1.0,
        "penalty": 0.0,
        "thresholds": {"PERSON": 0.5, "LOCATION": 0.5, "ORGANIZATION": 0.5, "DATE": 0.5},
    }
