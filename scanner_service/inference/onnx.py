"""An ONNX Runtime session on the CPU that runs rows of equal length."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from scanner_service.errors import ModelError
from scanner_service.inference.graph import inspect

Floats = NDArray[np.float32]

_INTEGERS = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}
_ERRORS_ONLY = 3


class Session:
    """
    A loaded model. Make it after the worker has forked: its threads do not survive a fork.

    Args:
        model: the content of an ONNX file, verified. A file that refers to other files is refused.
        outputs: the names of those that are wanted.

    Attributes:
        rows_are_independent: whether rows may share a run without changing each other's outputs.

    Raises:
        ModelError: if it cannot be loaded, lacks an output, or asks for an input that a classifier of one text does not
            have.
    """

    def __init__(self, model: bytes, outputs: Sequence[str]) -> None:
        graph = inspect(model)
        if graph.has_external_data:
            raise ModelError("it keeps weights in other files, which no digest covers; export it into a single file")
        try:
            self._session = onnxruntime.InferenceSession(
                model,
                _options(),
                providers=["CPUExecutionProvider"],
                # Slower than the two operators it fuses, with int8 weights.
                disabled_optimizers=["SkipLayerNormFusion"],
            )
        except Exception as error:  # noqa: BLE001 - the runtime's own exceptions have no public base class
            raise ModelError(f"cannot be loaded: {error}") from None
        self._inputs = {given.name: _INTEGERS.get(given.type) for given in self._session.get_inputs()}
        for name, integer in self._inputs.items():
            if name not in _FEEDS or integer is None:
                raise ModelError(f"it asks for `{name}`; known inputs are {', '.join(_FEEDS)}, of integers")
        there = [output.name for output in self._session.get_outputs()]
        for name in outputs:
            if name not in there:
                raise ModelError(f"it has no output `{name}`; there are: {', '.join(there)}")
        self._outputs = list(outputs)
        self.rows_are_independent = graph.rows_are_independent

    def run(self, ids: NDArray[np.int64]) -> Mapping[str, Floats]:
        """
        The outputs that are wanted, by name, for rows of token ids [rows, tokens].

        Blocks; other Python threads run meanwhile.

        Raises:
            ModelError: if the runtime fails.
        """
        feed = {name: np.ascontiguousarray(_FEEDS[name](ids), dtype=integer) for name, integer in self._inputs.items()}
        try:
            values = self._session.run(self._outputs, feed)
        except Exception as error:
            raise ModelError(f"the runtime failed: {type(error).__name__}") from error
        return dict(zip(self._outputs, values, strict=True))


# Rows of a run are of equal length, so the mask is all ones; and there is no second text.
_FEEDS: Mapping[str, Callable[[NDArray[np.int64]], NDArray[np.int64]]] = {
    "input_ids": np.asarray,
    "attention_mask": np.ones_like,
    "token_type_ids": np.zeros_like,
}


def _options() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # two workers with one thread each beat one worker with two at every length
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    options.add_session_config_entry("session.load_model_format", "ONNX")
    # A thread that spins while it waits takes its core from the other workers.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    return options
