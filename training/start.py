"""The weights of an exported int8 model, so that training can go on from what was shipped."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor

_PRODUCT = re.compile(r"/(.+)/MatMul(_quant)?")


def weights(path: Path) -> dict[str, Tensor]:
    """
    The trained weights of an exported model by their names in `Guard`, float32; each as near as its int8 form tells.

    The word embeddings are not among them: training leaves them as they were pretrained.

    Raises:
        ValueError: the file is not one that `quantize` wrote.
    """
    graph = onnx.load(str(path)).graph
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    found = {name: array for name, array in tensors.items() if name.startswith(("encoder.", *_HEADS))}
    for node in graph.node:
        matrix = node.input[1] if node.op_type in ("MatMul", "MatMulInteger") else ""
        if matrix in tensors and (product := _PRODUCT.fullmatch(node.name)):
            found[product[1].replace("/", ".") + ".weight"] = _floats(tensors, matrix).T
    if not any(name.endswith("query.weight") for name in found):
        raise ValueError(f"{path}: not a model that `quantize` wrote")
    return {name: torch.from_numpy(np.array(array, dtype=np.float32)) for name, array in found.items()}


_HEADS = ("injection.", "toxicity.", "entities.")


def _floats(tensors: dict[str, np.ndarray], name: str) -> np.ndarray:  # type: ignore[type-arg]
    if not name.endswith("_quantized"):
        return tensors[name]
    stem = name.removesuffix("_quantized")
    zero = tensors[stem + "_zero_point"].astype(np.float32)
    floats: np.ndarray = (tensors[name].astype(np.float32) - zero) * tensors[stem + "_scale"]  # type: ignore[type-arg]
    return floats
