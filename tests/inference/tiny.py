"""
A tiny model that ONNX Runtime really runs, and its tokenizer, with every trap that published tokenizer files have.

Each word has its logits; those of a window are the highest of its words. `attack` and `evil` are injections, `damn`
is toxic, `john` and `smith` are a person, `paris` is a place.
"""

from __future__ import annotations

import hashlib
import json
import string
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.inference import onnx_file

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = ["attack", "evil", "damn", "hello", "world", "john", "smith", "lives", "in", "paris", "spam", "##spam"]
CHARACTERS = [*string.ascii_lowercase, *string.digits, *string.punctuation]
VOCABULARY = {
    token: index
    for index, token in enumerate([*SPECIAL, *WORDS, *CHARACTERS, *(f"##{char}" for char in string.ascii_lowercase)])
}
TAGS = ["O", "B-PERSON", "I-PERSON", "B-LOCATION", "I-LOCATION"]

Floats = NDArray[np.float32]


def table(rows: Mapping[str, Sequence[float]], otherwise: Sequence[float]) -> Floats:
    """Logits by token id."""
    return np.array([rows.get(token, otherwise) for token in VOCABULARY], dtype=np.float32)


INJECTION = table({"attack": [4.0], "evil": [2.0]}, [-4.0])
TOXICITY = table({"damn": [3.0, -1.0]}, [-5.0, -6.0])
ENTITIES = table(
    {"john": [0, 6, 1, 0, 0], "smith": [0, 1, 6, 0, 0], "paris": [0, 0, 0, 6, 0]}, [6, 0, 0, 0, 0]
)  # fmt: skip


def onnx_bytes(
    sequence: Mapping[str, Floats],
    token: Mapping[str, Floats] | None = None,
    inputs: Mapping[str, int] | None = None,
) -> bytes:
    """
    A model with the given outputs and inputs.

    If it has them, `attention_mask` multiplies the ids and `token_type_ids` are added to them: anything but ones and
    zeros would change every answer.
    """
    inputs = inputs or {"input_ids": onnx_file.INT64}
    nodes, ids = [], "input_ids"
    for name, operator in (("attention_mask", "Mul"), ("token_type_ids", "Add")):
        if name in inputs:
            nodes.append(onnx_file.node(operator, [ids, name], f"with_{name}"))
            ids = f"with_{name}"
    tensors = []
    outputs: dict[str, Sequence[int | str]] = {}
    for name, values in {**sequence, **(token or {})}.items():
        tensors.append(onnx_file.tensor(f"{name}_table", values))
        gathered = f"{name}_words" if name in sequence else name
        nodes.append(onnx_file.node("Gather", [f"{name}_table", ids], gathered))
        outputs[name] = ("batch", "tokens", values.shape[1])
        if name in sequence:
            nodes.append(onnx_file.node("ReduceMax", [gathered], name, axes=[1], keepdims=0))
            outputs[name] = ("batch", values.shape[1])
    return onnx_file.model(nodes, tensors, inputs, outputs)


def tokenizer_json(**changes: object) -> bytes:
    """As published files are: truncation and padding baked in, special tokens matched, long words given up."""
    content = {
        "version": "1.0",
        "truncation": {"max_length": 16, "strategy": "LongestFirst", "stride": 0, "direction": "Right"},
        "padding": {
            "strategy": {"Fixed": 16}, "direction": "Right", "pad_to_multiple_of": None,
            "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]",
        },
        "added_tokens": [
            {
                "id": VOCABULARY[token], "content": token, "special": True, "single_word": False,
                "lstrip": False, "rstrip": False, "normalized": False,
            }
            for token in SPECIAL
        ],
        "normalizer": {
            "type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None,
            "lowercase": True,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [
                {"SpecialToken": {"id": "[CLS]", "type_id": 0}},
                {"Sequence": {"id": "A", "type_id": 0}},
                {"SpecialToken": {"id": "[SEP]", "type_id": 0}},
            ],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {
                token: {"id": token, "ids": [VOCABULARY[token]], "tokens": [token]} for token in ("[CLS]", "[SEP]")
            },
        },
        "decoder": None,
        "model": {
            "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": VOCABULARY,
        },
    }  # fmt: skip
    return json.dumps(content | changes).encode()


HEADS = """
[[models.tiny.heads]]
output = "injection"
kind = "sequence"
activation = "sigmoid"
labels = ["INJECTION"]
thresholds = { INJECTION = 0.5 }

[[models.tiny.heads]]
output = "toxicity"
kind = "sequence"
activation = "sigmoid"
labels = ["TOXICITY", "THREAT"]
temperature = 2.0

[[models.tiny.heads]]
output = "entities"
kind = "token"
activation = "softmax"
labels = ["O", "B-PERSON", "I-PERSON", "B-LOCATION", "I-LOCATION"]
"""


def write(
    folder: Path,
    *,
    model: bytes | None = None,
    tokenizer: bytes | None = None,
    heads: str = HEADS,
    entry: str = 'self_test = "attack"',
) -> Path:
    """Puts the model, its tokenizer and a manifest into *folder*; the path of the manifest."""
    model = model or onnx_bytes({"injection": INJECTION, "toxicity": TOXICITY}, {"entities": ENTITIES})
    tokenizer = tokenizer or tokenizer_json()
    (folder / "tiny.onnx").write_bytes(model)
    (folder / "tokenizer.json").write_bytes(tokenizer)
    path = folder / "manifest.toml"
    path.write_text(
        f"""
[models.tiny]
file = "tiny.onnx"
sha256 = "{hashlib.sha256(model).hexdigest()}"
tokenizer = "tokenizer.json"
tokenizer_sha256 = "{hashlib.sha256(tokenizer).hexdigest()}"
window_tokens = 10
overlap_tokens = 2
licence = "Apache-2.0"
{entry}
{heads}"""
    )
    return path
