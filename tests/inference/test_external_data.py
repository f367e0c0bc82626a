import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner_service.errors import ModelError
from scanner_service.inference.external_data import has_external_data
from tests.inference import onnx_file, tiny

OUTSIDE = onnx_file.external_tensor("weights", [1], "weights.bin")
GRAPH = onnx_file.message((5, OUTSIDE))
ATTRIBUTE = onnx_file.message((1, "value"), (5, OUTSIDE))
NODE = onnx_file.message((4, "Constant"), (5, ATTRIBUTE))
SUBGRAPH = onnx_file.message((1, "then_branch"), (6, GRAPH))
PLACES = {
    "initializer": onnx_file.message((7, GRAPH)),
    "constant": onnx_file.message((7, onnx_file.message((1, NODE)))),
    "sparse initializer": onnx_file.message((7, onnx_file.message((15, onnx_file.message((1, OUTSIDE)))))),
    "branch": onnx_file.message((7, onnx_file.message((1, onnx_file.message((4, "If"), (5, SUBGRAPH)))))),
    "function": onnx_file.message((25, onnx_file.message((7, NODE)))),
}


@pytest.mark.parametrize("model", PLACES.values(), ids=PLACES)
def test_a_tensor_in_another_file_is_found_wherever_it_is(model):
    assert has_external_data(model)


def test_a_model_in_one_file_has_none():
    assert not has_external_data(tiny.onnx_bytes({"injection": tiny.INJECTION}, {"entities": tiny.ENTITIES}))


def test_weights_that_look_like_a_reference_are_no_reference():
    weights = np.frombuffer(OUTSIDE + bytes(-len(OUTSIDE) % 4), dtype=np.float32)
    assert not has_external_data(onnx_file.model([], [onnx_file.tensor("weights", weights)], {}, {}))


@given(st.binary(max_size=200))
def test_any_bytes_get_an_answer_or_a_model_error(content):
    with contextlib.suppress(ModelError):
        assert has_external_data(content) in (True, False)


@pytest.mark.parametrize("content", [b"\x07", b"\x3a\x05abc", b"\xff" * 20, b"\x3a"])
def test_what_is_no_protobuf_is_refused(content):
    with pytest.raises(ModelError, match="not an ONNX file"):
        has_external_data(content)


def test_deep_nesting_does_not_exhaust_the_stack():
    nested = GRAPH
    for _ in range(3000):
        nested = onnx_file.message((1, onnx_file.message((5, onnx_file.message((6, nested))))))
    assert has_external_data(onnx_file.message((7, nested)))
