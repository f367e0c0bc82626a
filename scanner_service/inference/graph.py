"""What must be known about an ONNX file before it is loaded, read from the file itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from scanner_service.errors import ModelError

# The messages of onnx.proto through which a tensor can be reached: field number to message, by message.
# Source: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
_INSIDE = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
_OPERATOR = 4  # of a node
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14  # of a tensor
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # wire types


@dataclass(frozen=True, slots=True)
class Graph:
    """
    Facts about an ONNX file.

    Attributes:
        operators: every operator that occurs.
        has_external_data: whether any weights lie in another file, which no digest of the manifest would cover.
    """

    operators: frozenset[str]
    has_external_data: bool

    @property
    def rows_are_independent(self) -> bool:
        """
        Whether a row has the same outputs whatever rows run beside it.

        Dynamic quantization takes one scale from all rows of a run: the score of a text would depend on the texts of
        others.
        """
        return not any(operator.startswith("DynamicQuantize") for operator in self.operators)


def inspect(model: bytes) -> Graph:
    """
    The facts about *model*.

    Raises:
        ModelError: if it is not an ONNX file.
    """
    try:
        return _inspect(memoryview(model))
    except (IndexError, ValueError):
        raise ModelError("not an ONNX file") from None


def _inspect(model: memoryview) -> Graph:
    operators: set[str] = set()
    external = False
    waiting = [("model", model)]
    while waiting:
        kind, message = waiting.pop()
        for field, value in _fields(message):
            if kind == "tensor":
                external = external or field == _EXTERNAL_DATA or (field == _DATA_LOCATION and bool(value))
            elif isinstance(value, memoryview):
                if kind == "node" and field == _OPERATOR:
                    operators.add(str(value, "utf-8"))
                if field in _INSIDE[kind]:
                    waiting.append((_INSIDE[kind][field], value))
    return Graph(frozenset(operators), external)


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """The fields of a protobuf message: number, and value if it is an integer or bytes."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        wire_type = tag & 7
        if wire_type == _VARINT:
            value, at = _varint(message, at)
            yield tag >> 3, value
        elif wire_type == _BYTES:
            size, at = _varint(message, at)
            if at + size > len(message):
                raise ValueError("a field ends after its message")
            yield tag >> 3, message[at : at + size]
            at += size
        elif wire_type in (_FIXED64, _FIXED32):
            at += 8 if wire_type == _FIXED64 else 4
        else:
            raise ValueError(f"wire type {wire_type}")


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("a number of over 64 bits")
