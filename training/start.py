"""The weights of an exported int8 model, or of a checkpoint, so that training can go on from them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor

from training.fuse import JOINED, PARTS

Array = NDArray[Any]

_PRODUCT = re.compile(r"/(.+)/MatMul(_quant)?")


def weights(path: Path) -> dict[str, Tensor]:
    """
    The trained weights of an exported model by their names in `Guard`, float32; each as near as its int8 form tells.
    Those of a checkpoint of `train`, with the suffix `.pt`, are its averaged ones.

    The word embeddings are not among them: training leaves them as they were pretrained.

    Raises:
        ValueError: the file is not one that `quantize` wrote.
    """
    if path.suffix == ".pt":
        averaged: dict[str, Tensor] = torch.load(path, weights_only=True, map_location="cpu")["trainer"]["average"]
        return averaged
    graph = onnx.load(str(path)).graph
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    named = {name: array for name, array in tensors.items() if name.startswith(("encoder.", *_HEADS))}
    found = {name: array for name, array in named.items() if f".{JOINED}." not in name}
    for node in graph.node:
        if node.op_type == "QAttention":
            found |= _parts(node.input[1].removesuffix("_quantized"), _floats(tensors, node.input[1]), tensors)
        matrix = node.input[1] if node.op_type in ("MatMul", "MatMulInteger") else ""
        if matrix in tensors and (product := _PRODUCT.fullmatch(node.name)):
            found[product[1].replace("/", ".") + ".weight"] = _floats(tensors, matrix).T
    if not any(name.endswith("query.weight") for name in found):
        raise ValueError(f"{path}: not a model that `quantize` wrote")
    return {name: torch.from_numpy(np.array(array, dtype=np.float32)) for name, array in found.items()}


_HEADS = ("injection.", "toxicity.", "entities.", "capitals.")


def _parts(name: str, matrix: Array, tensors: dict[str, Array]) -> dict[str, Array]:
    """What `fuse` put side by side."""
    stem, parts = name.removesuffix(f"{JOINED}.weight"), len(PARTS)
    weights = zip(PARTS, np.split(matrix, parts, axis=1), strict=True)
    biases = zip(PARTS, np.split(tensors[f"{stem}{JOINED}.bias"], parts), strict=True)
    return {f"{stem}{part}.weight": weight.T for part, weight in weights} | {
        f"{stem}{part}.bias": bias for part, bias in biases
    }


def _floats(tensors: dict[str, Array], name: str) -> Array:
    if not name.endswith("_quantized"):
        return tensors[name]
    stem = name.removesuffix("_quantized")
    zero = tensors[stem + "_zero_point"].astype(np.float32)
    floats: Array = (tensors[name].astype(np.float32) - zero) * tensors[stem + "_scale"]
    return floats
