import numpy as np
import pytest

from training.calibrate import PENALTIES, best_temperature, smallest_penalty


def texts(count: int, windows: int, logit: float) -> list[list[np.ndarray]]:
    return [[np.array([logit], np.float32)] * windows for _ in range(count)]


def test_long_texts_that_score_no_higher_than_short_ones_need_the_smallest_penalty():
    assert smallest_penalty(texts(100, 1, -2.0) + texts(100, 8, -3.0)) == PENALTIES[0]


def test_the_penalty_is_the_first_that_brings_long_texts_down_to_short_ones():
    penalty = smallest_penalty(texts(100, 1, -2.0) + texts(100, 8, -1.0))
    assert -1.0 - penalty * np.log(8) <= -2.0
    assert -1.0 - (penalty - 0.05) * np.log(8) > -2.0
    assert penalty in PENALTIES


def test_what_stays_below_the_lowest_threshold_needs_no_penalty():
    harmless = texts(100, 1, -2.0) + texts(100, 8, -1.0)
    assert smallest_penalty(harmless, lowest=0.5) == PENALTIES[0] < smallest_penalty(harmless)


def test_overconfident_logits_are_cooled_and_calibrated_ones_are_left():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, 20_000)
    attacks = rng.random(20_000) < 1 / (1 + np.exp(-logits))
    assert best_temperature(logits[attacks], logits[~attacks]) == pytest.approx(1.0, abs=0.06)
    assert best_temperature(3 * logits[attacks], 3 * logits[~attacks]) == pytest.approx(3.0, abs=0.2)
