import hashlib
import tomllib

import pytest

from training import evaluate, manifest
from training.rows import ENTITIES, TOXICITY

HEAD = {"temperature": 1.5, "penalty": 0.25}
CHOSEN = {
    "injection": HEAD | {"thresholds": {"INJECTION": 0.61}},
    "toxicity": HEAD | {"thresholds": dict.fromkeys(TOXICITY, 0.4)},
    "entities": HEAD | {"thresholds": dict.fromkeys(ENTITIES, 0.5)},
}


def made(out):
    """A folder with what a manifest names."""
    out.mkdir()
    (out / "model.int8.onnx").write_bytes(b"model")
    (out / "tokenizer.json").write_bytes(b"{}")
    return out


def test_the_manifest_names_the_files_by_digest_and_every_label_has_a_threshold(tmp_path):
    out = made(tmp_path / "guard")
    entry = tomllib.loads(manifest.write(out, CHOSEN).read_text())["models"]["guard"]
    assert entry["sha256"] == hashlib.sha256(b"model").hexdigest()
    assert entry["tokenizer_sha256"] == hashlib.sha256(b"{}").hexdigest()
    assert (entry["window_tokens"], entry["overlap_tokens"]) == (128, 32)
    heads = {h["output"]: h for h in entry["heads"]}
    assert set(heads["toxicity"]["thresholds"]) == set(heads["toxicity"]["labels"])
    assert heads["injection"]["thresholds"] == {"INJECTION": 0.61}
    assert heads["injection"]["window_penalty"] == 0.25
    assert heads["entities"]["labels"][0] == "O"


def test_a_manifest_with_other_models_is_not_written_over(tmp_path):
    manifest.write(made(tmp_path / "guard"), CHOSEN)
    before = manifest.write(tmp_path / "guard", CHOSEN).read_text()
    with pytest.raises(ValueError, match=r"manifest\.toml: has other models, guard"):
        manifest.write(made(tmp_path / "mine"), CHOSEN)
    assert (tmp_path / "manifest.toml").read_text() == before


def test_a_model_that_the_manifest_does_not_describe_is_not_measured_with_its_thresholds(tmp_path):
    manifest.write(made(tmp_path / "guard"), CHOSEN)
    (tmp_path / "guard" / "model.int8.onnx").write_bytes(b"another")
    with pytest.raises(ValueError, match="describes another model"):
        evaluate.run(tmp_path, tmp_path / "guard", tmp_path, 10)
