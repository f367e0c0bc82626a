import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner_service.errors import ModelError
from scanner_service.inference.graph import inspect
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
    assert inspect(model).has_external_data


def test_a_model_in_one_file_has_none():
    assert not inspect(tiny.onnx_bytes({"injection": tiny.INJECTION}, {"entities": tiny.ENTITIES})).has_external_data


def test_weights_that_look_like_a_reference_are_no_reference():
    weights = np.frombuffer(OUTSIDE + bytes(-len(OUTSIDE) % 4), dtype=np.float32)
    assert not inspect(onnx_file.model([], [onnx_file.tensor("weights", weights)], {}, {})).has_external_data


@given(st.binary(max_size=200))
def test_any_bytes_get_an_answer_or_a_model_error(content):
    with contextlib.suppress(ModelError):
        assert isinstance(inspect(content).operators, frozenset)


@pytest.mark.parametrize("content", [b"\x07", b"\x3a\x05abc", b"\xff" * 20, b"\x3a"])
def test_what_is_no_protobuf_is_refused(content):
    with pytest.raises(ModelError, match="not an ONNX file"):
        inspect(content)


def test_deep_nesting_does_not_exhaust_the_stack():
    nested = GRAPH
    for _ in range(3000):
        nested = onnx_file.message((1, onnx_file.message((5, onnx_file.message((6, nested))))))
    assert inspect(onnx_file.message((7, nested))).has_external_data


def test_operators_are_found_in_branches_too():
    branch = onnx_file.message((1, onnx_file.node("DynamicQuantizeLinear", ["x"], "y")))
    attribute = onnx_file.message((1, "then_branch"), (6, branch))
    node = onnx_file.message((4, "If"), (5, attribute))
    graph = inspect(onnx_file.message((7, onnx_file.message((1, node)))))
    assert graph.operators == {"If", "DynamicQuantizeLinear"}
    assert not graph.rows_are_independent


def test_rows_of_a_float_model_are_independent():
    graph = inspect(tiny.onnx_bytes({"injection": tiny.INJECTION}))
    assert graph.operators == {"Gather", "ReduceMax"}
    assert graph.rows_are_independent
