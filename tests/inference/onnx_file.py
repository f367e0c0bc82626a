"""Writes the few ONNX messages that a tiny model needs, so that tests need no `onnx` package."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

FLOAT, INT64, INT32 = 1, 7, 6
Field = tuple[int, int | bytes | str]


def varint(value: int) -> bytes:
    out = bytearray()
    value &= (1 << 64) - 1
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def message(*fields: Field) -> bytes:
    """Fields as number and value: integers as varints, bytes and strings with their length."""
    out = bytearray()
    for number, value in fields:
        if isinstance(value, int):
            out += varint(number << 3) + varint(value)
        else:
            raw = value.encode() if isinstance(value, str) else value
            out += varint(number << 3 | 2) + varint(len(raw)) + raw
    return bytes(out)


def tensor(name: str, value: NDArray[np.generic]) -> bytes:
    kind = {"float32": FLOAT, "int64": INT64}[value.dtype.name]
    return message(*((1, size) for size in value.shape), (2, kind), (8, name), (9, value.tobytes()))


def external_tensor(name: str, shape: Sequence[int], location: str) -> bytes:
    entry = message((1, "location"), (2, location))
    return message(*((1, size) for size in shape), (2, FLOAT), (8, name), (13, entry), (14, 1))


def node(operator: str, inputs: Iterable[str], output: str, **attributes: int | Sequence[int]) -> bytes:
    encoded = []
    for name, value in attributes.items():
        if isinstance(value, int):
            encoded.append(message((1, name), (3, value), (20, 2)))
        else:
            encoded.append(message((1, name), *((8, item) for item in value), (20, 7)))
    return message(*((1, name) for name in inputs), (2, output), (4, operator), *((5, item) for item in encoded))


def value_info(name: str, kind: int, shape: Sequence[int | str]) -> bytes:
    dims = [message((1, size) if isinstance(size, int) else (2, size)) for size in shape]
    return message((1, name), (2, message((1, message((1, kind), (2, message(*((1, dim) for dim in dims))))))))


def model(
    nodes: Sequence[bytes],
    tensors: Sequence[bytes],
    inputs: Mapping[str, int],
    outputs: Mapping[str, Sequence[int | str]],
) -> bytes:
    """A model whose inputs are [batch, tokens] of the given element type."""
    graph = message(
        *((1, item) for item in nodes),
        (2, "tiny"),
        *((5, item) for item in tensors),
        *((11, value_info(name, kind, ("batch", "tokens"))) for name, kind in inputs.items()),
        *((12, value_info(name, FLOAT, shape)) for name, shape in outputs.items()),
    )
    return message((1, 8), (7, graph), (8, message((1, ""), (2, 17))))
