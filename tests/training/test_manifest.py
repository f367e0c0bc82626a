import hashlib
import tomllib

from training import manifest
from training.rows import TOXICITY


def test_the_manifest_names_the_files_by_digest_and_every_label_has_a_threshold(tmp_path):
    out = tmp_path / "guard"
    out.mkdir()
    (out / "model.int8.onnx").write_bytes(b"model")
    (out / "tokenizer.json").write_bytes(b"{}")
    head = {"temperature": 1.5, "penalty": 0.25}
    chosen = {
        "injection": head | {"thresholds": {"INJECTION": 0.61}},
        "toxicity": head | {"thresholds": dict.fromkeys(TOXICITY, 0.4)},
        "entities": head | {"thresholds": dict.fromkeys(manifest.ENTITY_TYPES, 0.5)},
    }
    entry = tomllib.loads(manifest.write(out, chosen).read_text())["models"]["guard"]
    assert entry["sha256"] == hashlib.sha256(b"model").hexdigest()
    assert entry["tokenizer_sha256"] == hashlib.sha256(b"{}").hexdigest()
    assert (entry["window_tokens"], entry["overlap_tokens"]) == (128, 32)
    heads = {h["output"]: h for h in entry["heads"]}
    assert set(heads["toxicity"]["thresholds"]) == set(heads["toxicity"]["labels"])
    assert heads["injection"]["thresholds"] == {"INJECTION": 0.61}
    assert heads["injection"]["window_penalty"] == 0.25
    assert heads["entities"]["labels"][0] == "O"
