"""
How fast the model is on one core, and what the pool adds to it.

    python -m bench.model                    the shipped model alone
    python -m bench.model --peak             also against the int8 peak of this core (needs the group `training`)
    python -m bench.model --incumbent        also against deberta-v3-base in float32 (needs the group `training`)

Everything that is compared runs in turns, in the same process, on one thread: compare ratios, not days. Times of the
model are those of its thread, times of the pool those of a clock: measure these on a quiet machine.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from bench.incumbent import deberta, exported
from scanner_service.inference import manifest
from scanner_service.inference.classifier import Classifier
from scanner_service.inference.onnx import Session
from scanner_service.inference.pool import ModelPool

ROOT = Path(__file__).parents[1]
LENGTHS = (16, 32, 64, 128)
ROWS = (1, 2, 4, 8)
SENTENCE = "The committee met on Tuesday to discuss the budget of the new library and who would pay for it. "
Timed = Callable[[], object]


def medians(timed: Mapping[str, Timed], rounds: int) -> dict[str, float]:
    """Median milliseconds of each, run in turns: of this thread's own time, whatever else the machine does."""
    taken: dict[str, list[float]] = {name: [] for name in timed}
    for call in timed.values():
        call()
    for _ in range(rounds):
        for name, call in timed.items():
            started = time.thread_time()
            call()
            taken[name].append((time.thread_time() - started) * 1000)
    return {name: statistics.median(values) for name, values in taken.items()}


def some_ids(rows: int, tokens: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.random.default_rng(0).integers(1000, 20_000, (rows, tokens))


def compare(sessions: Mapping[str, Session], rounds: int) -> None:
    """One row, by length."""
    first = next(iter(sessions))
    print(f"{'tokens':>6} " + " ".join(f"{name + ' ms':>24} {'ratio':>6}" for name in sessions))
    for tokens in LENGTHS:
        ids = some_ids(1, tokens)
        calls = {name: partial(session.run, ids) for name, session in sessions.items()}
        taken = medians(calls, max(5, rounds * 32 // tokens))
        print(f"{tokens:6} " + " ".join(f"{value:24.2f} {value / taken[first]:6.2f}" for value in taken.values()))


def batching(session: Session, rounds: int) -> None:
    """Time for each row, by rows in one run."""
    apart = "independent" if session.rows_are_independent else "dependent: the pool runs them one by one"
    print(f"\nms for each row, by rows in a run (rows are {apart})")
    print(f"{'tokens':>6} " + " ".join(f"{rows:>8}" for rows in ROWS))
    for tokens in LENGTHS:
        calls = {str(rows): partial(session.run, some_ids(rows, tokens)) for rows in ROWS}
        taken = medians(calls, max(5, rounds * 16 // tokens))
        print(f"{tokens:6} " + " ".join(f"{taken[str(rows)] / rows:8.2f}" for rows in ROWS))


async def overhead(loaded: manifest.Manifest, name: str, rounds: int) -> None:
    """What a prediction costs beside the run of the model, for a text of about 128 tokens."""
    pool = ModelPool(loaded, [name])
    await pool.start()
    model = Classifier(loaded.models[name], loaded.read_model(name), loaded.read_tokenizer(name))
    text = (SENTENCE * 10)[:560]
    reading = model.read(text)
    outputs = model.session.run(reading.rows)
    taken: dict[str, list[float]] = {stage: [] for stage in ("predict", "run", "read", "judge")}
    for _ in range(rounds):
        for stage, call in (
            ("run", lambda: model.session.run(reading.rows)),
            ("read", lambda: model.read(text)),
            ("judge", lambda: model.judge(reading, outputs)),
        ):
            started = time.perf_counter()
            call()
            taken[stage].append(time.perf_counter() - started)
        started = time.perf_counter()
        await pool.predict(name, pool.read(name, text))
        taken["predict"].append(time.perf_counter() - started)
    await pool.aclose()
    ms = {stage: statistics.median(values) * 1000 for stage, values in taken.items()}
    rest = ms["predict"] - ms["run"] - ms["read"] - ms["judge"]
    print(f"\n{reading.rows.shape[1]} tokens: predict {ms['predict']:.2f} ms = run {ms['run']:.2f}", end="")
    print(f" + read {ms['read']:.2f} + judge {ms['judge']:.2f} + queue and threads {rest:.2f}")


def peak(model: bytes, session: Session, rounds: int) -> None:
    """Integer operations of the model at 128 tokens, against a plain product of matrices of u8 and s8."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    size, tokens = 1024, 128
    weights = numpy_helper.from_array(np.ones((size, size), dtype=np.int8), "b")
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["a", "b"], ["c"])],
        "peak",
        [helper.make_tensor_value_info("a", TensorProto.UINT8, [size, size])],
        [helper.make_tensor_value_info("c", TensorProto.INT32, [size, size])],
        [weights],
    )
    product = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    multiply = _runtime(product.SerializeToString())
    ones = np.ones((size, size), dtype=np.uint8)
    ids = some_ids(1, tokens)
    taken = medians({"peak": lambda: multiply.run(None, {"a": ones}), "model": lambda: session.run(ids)}, rounds)
    tops = 2 * size**3 / taken["peak"] / 1e9
    gop = sum(_operations(onnx.load(io.BytesIO(model)), tokens)) / 1e9
    print(f"\n{gop:.2f} GOP for {tokens} tokens; int8 peak {tops:.2f} TOP/s: at least {gop / tops:.2f} ms,")
    print(f"the model takes {taken['model']:.2f} ms, {taken['model'] * tops / gop:.2f} times that")


def _runtime(model: bytes) -> "onnxruntime.InferenceSession":  # type: ignore[name-defined]  # noqa: F821, UP037
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _operations(model, tokens: int) -> Iterator[int]:  # type: ignore[no-untyped-def]
    """Multiplications and additions of every product with weights, then of attention."""
    shapes = {weights.name: list(weights.dims) for weights in model.graph.initializer}
    products = [node for node in model.graph.node if node.op_type in ("MatMul", "MatMulInteger", "Gemm", "QAttention")]
    widths, inside = [], 0
    for node in products:
        if len(shape := shapes.get(node.input[1], [])) == 2:
            yield 2 * shape[0] * shape[1] * tokens
            widths.append(shape[0])
            inside += 2 * (node.op_type == "QAttention")  # it multiplies twice more, like two products without weights
        else:
            inside += 1
    yield inside * 2 * tokens * tokens * statistics.mode(widths)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--manifest", type=Path, default=ROOT / "models" / "manifest.toml")
    parser.add_argument("--model", default="guard")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--peak", action="store_true", help="compare with the int8 peak of this core")
    parser.add_argument("--incumbent", action="store_true", help="compare with deberta-v3-base in float32")
    options = parser.parse_args(arguments)
    loaded = manifest.load(options.manifest)
    entry, content = loaded.models[options.model], loaded.read_model(options.model)
    sessions = {options.model: Session(content, [head.output for head in entry.heads])}
    if options.incumbent:
        sessions["deberta-v3-base fp32"] = Session(exported(partial(deberta, "SequenceClassification")), ["logits"])
    compare(sessions, options.rounds)
    batching(sessions[options.model], options.rounds)
    asyncio.run(overhead(loaded, options.model, options.rounds))
    if options.peak:
        peak(content, sessions[options.model], options.rounds)


if __name__ == "__main__":
    main()
