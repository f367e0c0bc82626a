import threading
import time

import numpy as np
import pytest

from scanner_service.errors import ModelError
from scanner_service.inference.onnx import Session
from tests.inference import onnx_file, tiny

IDS = np.array([[2, 5, 3], [2, 8, 3]])  # [CLS] attack [SEP], [CLS] hello [SEP]
ALL_INPUTS = ("input_ids", "attention_mask", "token_type_ids")


def test_outputs_come_by_name_one_row_for_each_row():
    model = tiny.onnx_bytes({"injection": tiny.INJECTION, "toxicity": tiny.TOXICITY}, {"entities": tiny.ENTITIES})
    outputs = Session(model, ["injection", "toxicity", "entities"]).run(IDS)
    assert {name: value.shape for name, value in outputs.items()} == {
        "injection": (2, 1),
        "toxicity": (2, 2),
        "entities": (2, 3, 5),
    }
    assert outputs["injection"].tolist() == [[4.0], [-4.0]]


@pytest.mark.parametrize("kind", [onnx_file.INT64, onnx_file.INT32])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_inputs_that_the_graph_declares_are_fed(count, kind):
    model = tiny.onnx_bytes({"logits": tiny.INJECTION}, inputs=dict.fromkeys(ALL_INPUTS[:count], kind))
    assert Session(model, ["logits"]).run(IDS)["logits"].tolist() == [[4.0], [-4.0]]


def test_an_input_that_no_classifier_of_one_text_has_is_refused():
    model = tiny.onnx_bytes(
        {"logits": tiny.INJECTION}, inputs={"input_ids": onnx_file.INT64, "pixels": onnx_file.INT64}
    )
    with pytest.raises(ModelError, match="asks for `pixels`"):
        Session(model, ["logits"])


def test_an_input_of_another_type_is_refused():
    with pytest.raises(ModelError, match="asks for `attention_mask`"):
        Session(
            onnx_file.model(
                [onnx_file.node("Identity", ["attention_mask"], "logits")],
                [],
                {"input_ids": onnx_file.INT64, "attention_mask": onnx_file.FLOAT},
                {"logits": ("batch", "tokens")},
            ),
            ["logits"],
        )


def test_outputs_that_are_not_wanted_do_not_come():
    model = tiny.onnx_bytes({"injection": tiny.INJECTION, "toxicity": tiny.TOXICITY})
    assert list(Session(model, ["toxicity"]).run(IDS)) == ["toxicity"]


def test_an_output_that_is_not_there_is_refused():
    with pytest.raises(ModelError, match="it has no output `jailbreak`; there are: injection"):
        Session(tiny.onnx_bytes({"injection": tiny.INJECTION}), ["jailbreak"])


def test_a_run_that_fails_is_an_error_and_the_next_one_works():
    session = Session(tiny.onnx_bytes({"injection": tiny.INJECTION}), ["injection"])
    with pytest.raises(ModelError, match="the runtime failed"):
        session.run(np.array([[99_999]]))
    assert session.run(IDS)["injection"].tolist() == [[4.0], [-4.0]]


@pytest.mark.parametrize("content", [b"", b"not a model", bytes(1000)])
def test_what_is_no_model_is_refused(content):
    with pytest.raises(ModelError, match=r"cannot be loaded|not an ONNX file"):
        Session(content, ["logits"])


def test_weights_in_another_file_are_refused_even_if_it_is_there(tmp_path, monkeypatch):
    (tmp_path / "weights.bin").write_bytes(tiny.INJECTION.tobytes())
    monkeypatch.chdir(tmp_path)
    model = onnx_file.model(
        [onnx_file.node("Gather", ["weights", "input_ids"], "logits")],
        [onnx_file.external_tensor("weights", tiny.INJECTION.shape, "weights.bin")],
        {"input_ids": onnx_file.INT64},
        {"logits": ("batch", "tokens", 1)},
    )
    with pytest.raises(ModelError, match="single file"):
        Session(model, ["logits"])


def test_other_threads_run_while_the_model_does():
    wide = np.zeros((len(tiny.VOCABULARY), 2000), dtype=np.float32)
    session = Session(tiny.onnx_bytes({"injection": wide}), ["injection"])
    ids = np.ones((40, 128), dtype=np.int64)
    thread = threading.Thread(target=lambda: [session.run(ids) for _ in range(5)])
    ticks = 0
    thread.start()
    while thread.is_alive():
        time.sleep(0.0005)
        ticks += 1
    assert ticks > 20  # about one for each run if the runtime held the interpreter
