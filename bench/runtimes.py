"""
Other ways to run the guard model, against the one that ships: attention not fused, static instead of dynamic int8,
and OpenVINO.

    python -m bench.runtimes [--work build/training]     needs the group `training`, openvino and nncf

Reads what training left below `--work`: the float32 graph, rows to calibrate the static forms on, and unseen texts. All
take turns in one process, on one thread; compare ratios. The difference is that of the injection logits from float32
on ONNX Runtime, of the first window of unseen texts.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from training import tokens
from training.rows import read_rows

ROOT = Path(__file__).parents[1]
LENGTHS = (32, 128)
CALIBRATION = 64  # texts
IN_A_ROW = 4  # the first of them is not counted: what ran before it has taken its place in the caches

Ids = NDArray[np.int64]
Run = Callable[[Ids], NDArray[np.float32]]


def windows(path: Path, count: int) -> list[Ids]:
    """The first window of so many texts, evenly chosen, as [1, tokens] each."""
    rows = read_rows(path)
    texts = [row.text for row in rows[:: max(1, len(rows) // count)][:count]]
    found = [encoding.ids[: tokens.WINDOW - 2] for encoding in tokens.build().encode_batch(texts)]
    return [np.array([tokens.framed(ids)], dtype=np.int64) for ids in found]


def onnx_runtime(path: Path) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        str(path), options, providers=["CPUExecutionProvider"], disabled_optimizers=["SkipLayerNormFusion"]
    )
    return lambda ids: session.run(["injection"], {"input_ids": ids})[0]  # type: ignore[no-any-return]


def unfused(source: Path, target: Path) -> Path:
    """As `training.quantize` makes it, with attention as PyTorch exports it."""
    import onnx

    from training.quantize import int8

    onnx.save(int8(onnx.load(str(source)), target.parent), str(target))
    return target


def static(source: Path, target: Path, calibration: Sequence[Ids]) -> Path:
    """The matrix products of *source* with scales that are known before."""
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._left = iter(calibration)

        def get_next(self) -> dict[str, Ids] | None:
            ids = next(self._left, None)
            return None if ids is None else {"input_ids": ids}

    graph = onnx.load(str(source)).graph
    weights = {tensor.name for tensor in graph.initializer}
    products = [node.name for node in graph.node if node.op_type == "MatMul" and node.input[1] in weights]
    quantize_static(
        str(source),
        str(target),
        Reader(),
        quant_format=QuantFormat.QOperator,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        nodes_to_quantize=[name for name in products if name.startswith("/encoder")],
    )
    return target


def openvino(source: Path, prepare: Callable[[Any], Any] = lambda model: model, **settings: str) -> Run:
    import openvino as ov

    core = ov.Core()
    one_thread = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY"}
    request = core.compile_model(prepare(core.read_model(source)), "CPU", one_thread | settings).create_infer_request()
    return lambda ids: np.array(request.infer({0: ids})["injection"])


def candidates(source: Path, shipped: Path, folder: Path, calibration: Sequence[Ids]) -> Mapping[str, Run]:
    import nncf

    def quantized(model: Any) -> Any:
        kind = nncf.ModelType.TRANSFORMER
        return nncf.quantize(model, nncf.Dataset(calibration), model_type=kind, subset_size=len(calibration))

    def compressed(model: Any) -> Any:
        return nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT8_SYM)

    return {
        "float32": onnx_runtime(source),
        "dynamic int8 (ships)": onnx_runtime(shipped),
        "dynamic int8, not fused": onnx_runtime(unfused(source, folder / "unfused.onnx")),
        "static int8": onnx_runtime(static(source, folder / "static.onnx", calibration)),
        "OpenVINO float32": openvino(source),
        "OpenVINO dynamic int8": openvino(source, compressed, DYNAMIC_QUANTIZATION_GROUP_SIZE="384"),
        "OpenVINO static int8": openvino(source, quantized),
    }


def medians(runs: Mapping[str, Run], length: int, rounds: int) -> dict[str, float]:
    """Milliseconds of each."""
    ids = np.random.default_rng(0).integers(1000, 20_000, (1, length))
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            for number in range(IN_A_ROW):
                started = time.perf_counter()
                run(ids)
                if number:
                    taken[name].append((time.perf_counter() - started) * 1000)
    return {name: statistics.median(values) for name, values in taken.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "training")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--texts", type=int, default=500)
    options = parser.parse_args()
    calibration = windows(options.work / "rows" / "train.jsonl.gz", CALIBRATION)
    with tempfile.TemporaryDirectory() as folder:
        source, shipped = options.work / "model.fp32.onnx", ROOT / "models" / "guard" / "model.int8.onnx"
        runs = candidates(source, shipped, Path(folder), calibration)
        taken = [medians(runs, length, options.rounds) for length in LENGTHS]
        unseen = windows(options.work / "rows" / "unseen.jsonl.gz", options.texts)
        logits = {name: np.array([float(run(ids)[0, 0]) for ids in tqdm(unseen, name)]) for name, run in runs.items()}
    print(f"{'':24}" + "".join(f"{f'{length} tokens, ms':>16} {'times':>6}" for length in LENGTHS), end="")
    print(f"{'difference: mean':>18} {'p99':>6} {'flipped':>8}")
    for name in runs:
        print(f"{name:24}", end="")
        for column in taken:
            print(f"{column[name]:16.2f} {column['dynamic int8 (ships)'] / column[name]:5.2f}x", end="")
        moved = np.abs(logits[name] - logits["float32"])
        flipped = np.mean((logits[name] > 0) != (logits["float32"] > 0))
        print(f"{moved.mean():18.3f} {np.quantile(moved, 0.99):6.2f} {flipped:8.1%}")


if __name__ == "__main__":
    main()
