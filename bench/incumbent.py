"""
The three default scanners together, against the incumbent's three models one after another.

    python -m bench.incumbent [--rounds 15] [--all-cores]          needs the group `training`, and transformers

Ours: injection, toxicity and personal data (the entity head and all recognizers), through the engine, with tokenizer,
views, windows and policy. Theirs: the three networks alone, float32 on ONNX Runtime as the incumbent ships them,
without tokenizer, recognizers or rules; their weights are random, so this says nothing about answers. All take turns in
one process, every model on one thread, and the process on one core. With all cores, threads that hand work to each
other sleep and wake on different ones, which takes longer: only ours has such threads.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from bench.shipped import Shipped, classifier

SENTENCE = "The committee met on Tuesday to discuss the budget of the new library and who would pay for it. "
TOKENS = 128
IN_A_ROW = 5  # calls of each in its turn: what ran before it has taken its place in the caches
SCANNERS = ("prompt_injection", "toxicity", "pii")


def deberta(head: str) -> Any:
    """deberta-v3-base with the *head* `SequenceClassification` or `TokenClassification`: injection, and names."""
    import transformers

    config = transformers.DebertaV2Config(
        vocab_size=128_100,
        hidden_size=768,
        num_hidden_layers=12,
        num_attention_heads=12,
        intermediate_size=3072,
        max_position_embeddings=512,
        relative_attention=True,
        position_buckets=256,
        norm_rel_ebd="layer_norm",
        share_att_key=True,
        pos_att_type=["p2c", "c2p"],
        type_vocab_size=0,
        num_labels=2,
    )
    return getattr(transformers, f"DebertaV2For{head}")(config)


def roberta() -> Any:
    """roberta-base: their toxicity model."""
    import transformers

    config = transformers.RobertaConfig(vocab_size=50_265, max_position_embeddings=514, type_vocab_size=1, num_labels=7)
    return transformers.RobertaForSequenceClassification(config)


MODELS: Mapping[str, Callable[[], Any]] = {
    "injection (deberta-v3-base)": partial(deberta, "SequenceClassification"),
    "toxicity (roberta-base)": roberta,
    "names (deberta-v3-base)": partial(deberta, "TokenClassification"),
}


def exported(make: Callable[[], Any]) -> bytes:
    """The ONNX file of a model, float32."""
    import torch

    torch.set_num_threads(1)
    names = ["input_ids", "attention_mask"]
    example = torch.ones(2, 16, dtype=torch.long)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        torch.onnx.export(
            make().eval(),
            (example, example),
            str(path),
            input_names=names,
            output_names=["logits"],
            dynamic_axes={name: {0: "batch", 1: "tokens"} for name in names},
            opset_version=17,
            dynamo=False,
        )
        return path.read_bytes()


def session(model: bytes) -> Callable[[], object]:
    """One run of a model over `TOKENS` tokens."""
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    loaded = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    ids = np.random.default_rng(0).integers(1000, 20_000, (1, TOKENS))
    given = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
    return lambda: loaded.run(None, given)


def milliseconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--all-cores", action="store_true", help="let the system choose the core of each thread")
    options = parser.parse_args()
    rounds = options.rounds
    if not options.all_cores:
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with Shipped() as shipped:
        rules = [shipped.rules[name] for name in SCANNERS]
        text = (SENTENCE * 10)[:600]  # 128 tokens of the shipped tokenizer, with the two that frame them
        model = classifier()
        row = model.read(text).rows
        models: dict[str, Callable[[], object]] = {"ours, the model alone": lambda: model.session.run(row)}
        models |= {name: session(exported(make)) for name, make in MODELS.items()}
        calls = {"ours, all of it": lambda: 1000 * shipped.seconds(text, rules)}
        calls |= {name: partial(milliseconds, call) for name, call in models.items()}
        taken: dict[str, list[float]] = {name: [] for name in calls}
        for number in range(rounds + 1):
            for name, call in calls.items():
                spent = [call() for _ in range(IN_A_ROW)]
                if number:  # the first round warms up
                    taken[name] += spent
    medians = {name: statistics.median(values) for name, values in taken.items()}
    for name, value in medians.items():
        print(f"{name:32} {value:8.1f} ms")
    ours, alone, *theirs = medians.values()
    print(f"{'theirs, one after another':32} {sum(theirs):8.1f} ms", end=": ")
    print(f"{sum(theirs) / ours:.0f} times all of ours, {sum(theirs) / alone:.0f} times our model")


if __name__ == "__main__":
    main()
