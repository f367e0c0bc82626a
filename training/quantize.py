"""Stage `quantize`: the ONNX graph with int8 weights, and how far its logits moved.

Matrix products, those inside attention among them: signed, one scale per output channel, inputs quantized as they
come. Word embeddings: int8 rows, one scale per row. The last layer of each head stays float32: it is tiny and decides.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

from training.fuse import fuse
from training.predict import Model
from training.rows import read_rows
from training.tokens import base_model

COMPARED = 1_000


def run(work: Path, out: Path) -> dict[str, object]:
    """Writes `model.int8.onnx` below `out`; reports its size and the difference from float32 on unseen texts."""
    source, target = work / "model.fp32.onnx", out / "model.int8.onnx"
    heads = json.loads((base_model() / "config.json").read_text(encoding="utf-8"))["num_attention_heads"]
    onnx.save(int8(fuse(onnx.load(str(source)), heads), work), str(target))
    rows = read_rows(work / "rows" / "unseen.jsonl.gz")
    texts = [row.text for row in rows[:: max(1, len(rows) // COMPARED)][:COMPARED]]
    return {"bytes": target.stat().st_size, "against_fp32": difference(source, target, out, texts)}


def int8(model: onnx.ModelProto, folder: Path) -> onnx.ModelProto:
    """The float32 *model* with int8 weights; leaves two files in *folder*."""
    source, target = folder / "model.given.onnx", folder / "model.matmul.onnx"
    onnx.save(model, str(source))
    quantize_dynamic(
        str(source),
        str(target),
        op_types_to_quantize=["MatMul", "Attention"],
        weight_type=QuantType.QInt8,
        per_channel=True,
        nodes_to_exclude=[node.name for node in model.graph.node if node.op_type == "MatMul" and _is_last(node.name)],
        extra_options={"DefaultTensorType": TensorProto.FLOAT},  # of what an operator outside the standard gives
    )
    return shrink_embeddings(onnx.load(str(target)))


def _is_last(name: str) -> bool:
    return name.startswith(("/injection/out", "/toxicity/out", "/entities", "/capitals/out"))


def shrink_embeddings(model: onnx.ModelProto) -> onnx.ModelProto:
    """The word-embedding table as int8 rows: gather, cast, times the row's scale."""
    graph = model.graph
    table = max((t for t in graph.initializer if t.data_type == TensorProto.FLOAT), key=lambda t: t.dims[0])
    lookup = next(node for node in graph.node if node.op_type == "Gather" and node.input[0] == table.name)
    rows = numpy_helper.to_array(table)
    scale = np.maximum(np.abs(rows).max(1, keepdims=True), 1e-8).astype(np.float32) / 127
    small = np.round(rows / scale).astype(np.int8)
    graph.initializer.remove(table)
    graph.initializer.append(numpy_helper.from_array(small, "words_int8"))
    graph.initializer.append(numpy_helper.from_array(scale, "words_scale"))
    ids, result = lookup.input[1], lookup.output[0]
    place = list(graph.node).index(lookup)
    graph.node.remove(lookup)
    nodes = [
        helper.make_node("Gather", ["words_int8", ids], ["words_row"]),
        helper.make_node("Cast", ["words_row"], ["words_float"], to=TensorProto.FLOAT),
        helper.make_node("Gather", ["words_scale", ids], ["words_row_scale"]),
        helper.make_node("Mul", ["words_float", "words_row_scale"], [result]),
    ]
    for offset, node in enumerate(nodes):
        graph.node.insert(place + offset, node)
    onnx.checker.check_model(model)
    return model


def difference(source: Path, target: Path, out: Path, texts: list[str]) -> dict[str, float]:
    """How far the injection logits of the first window of each text moved, and how often the verdict at 0 flips."""
    exact, small = (Model(path, out / "tokenizer.json") for path in (source, target))
    left, right = ([w[0] for w in model.windows(texts, "injection")] for model in (exact, small))
    moved = np.abs(np.array(left) - np.array(right))[:, 0]
    flipped = np.mean((np.array(left) > 0) != (np.array(right) > 0))
    return {
        "texts": float(len(texts)),
        "mean": float(moved.mean()),
        "p99": float(np.quantile(moved, 0.99)),
        "max": float(moved.max()),
        "flipped": float(flipped),
    }
