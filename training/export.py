"""Stage `export`: the trained model as a float32 ONNX graph, and the tokenizer beside it."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from training import tokens
from training.train import averaged

OUTPUTS = ("injection", "toxicity", "entities")


def run(work: Path, out: Path, checkpoint: Path | None = None) -> Path:
    """Writes `model.fp32.onnx` below `work` and `tokenizer.json` below `out`."""
    target = work / "model.fp32.onnx"
    out.mkdir(parents=True, exist_ok=True)
    model = averaged(checkpoint or work / "checkpoint.pt")
    rows = model.encoder.positions.weight[: tokens.WINDOW]  # longer inputs fail; the service reads windows
    model.encoder.positions = nn.Embedding.from_pretrained(rows.detach().clone())
    torch.onnx.export(
        model,
        (torch.full((2, 16), tokens.CLS, dtype=torch.long),),
        str(target),
        input_names=["input_ids"],
        output_names=list(OUTPUTS),
        dynamic_axes={name: {0: "batch", 1: "tokens"} for name in ("input_ids", "entities")}
        | {name: {0: "batch"} for name in ("injection", "toxicity")},
        opset_version=17,
        dynamo=False,
    )
    tokens.build().save(str(out / "tokenizer.json"))
    return target
