"""
Attention as the one operator that ONNX Runtime has for it, where an export of PyTorch has thirty.

The numbers stay the same to the last bit (`python -m bench.runtimes` compares both).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

PARTS = ("query", "key", "value")  # side by side in the weights of the operator
JOINED = "attention"  # their name together
DOMAIN = "com.microsoft"


def fuse(model: onnx.ModelProto, heads: int) -> onnx.ModelProto:
    """*model*, an export of `network.Guard` whose layers have so many *heads*, changed in place."""
    graph = model.graph
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    nodes = {node.name: node for node in graph.node}
    for layer in _layers(nodes):
        weights = [_tensor(tensors, nodes[f"{layer}/{part}/MatMul"]) for part in PARTS]
        biases = [_tensor(tensors, nodes[f"{layer}/{part}/Add"]) for part in PARTS]
        stem = f"{layer.removeprefix('/').replace('/', '.')}.{JOINED}"
        graph.initializer.append(numpy_helper.from_array(np.concatenate(weights, axis=1), f"{stem}.weight"))
        graph.initializer.append(numpy_helper.from_array(np.concatenate(biases), f"{stem}.bias"))
        mixed = nodes[f"{layer}/out/MatMul"].input[0]
        last = next(node for node in graph.node if mixed in node.output)
        last.output[0] = f"{mixed}_unused"
        graph.node.insert(
            list(graph.node).index(last),
            helper.make_node(
                "Attention",
                [nodes[f"{layer}/query/MatMul"].input[0], f"{stem}.weight", f"{stem}.bias"],
                [mixed],
                name=f"{layer}/{JOINED}",
                domain=DOMAIN,
                num_heads=heads,
            ),
        )
    model.opset_import.append(helper.make_opsetid(DOMAIN, 1))
    return _pruned(model)


def _layers(nodes: dict[str, onnx.NodeProto]) -> Iterator[str]:
    """The common part of the names of each layer's nodes."""
    number = 0
    while f"/encoder/layers.{number}/query/MatMul" in nodes:
        yield f"/encoder/layers.{number}"
        number += 1


def _tensor(tensors: dict[str, onnx.TensorProto], node: onnx.NodeProto) -> NDArray[Any]:
    """What the *node* multiplies by, or adds."""
    return numpy_helper.to_array(next(tensors[name] for name in node.input if name in tensors))


def _pruned(model: onnx.ModelProto) -> onnx.ModelProto:
    """*model* without what no output depends on."""
    graph = model.graph
    wanted = {output.name for output in graph.output}
    kept: list[onnx.NodeProto] = []
    for node in reversed(graph.node):
        if wanted.intersection(node.output):
            kept.append(node)
            wanted.update(node.input)
    tensors = [tensor for tensor in graph.initializer if tensor.name in wanted]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(reversed(kept))
    graph.initializer.extend(tensors)
    return model
