"""
Stage `export`: the trained model as a float32 ONNX graph, and the tokenizer beside it.

A model that went on from another may be blended with it: the mean of both weights forgets less of what the first was
better at (Wortsman et al. 2022, "Robust fine-tuning of zero-shot models").
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from training import tokens
from training.network import Guard
from training.start import weights
from training.train import averaged

OUTPUTS = ("injection", "toxicity", "entities")


def run(work: Path, out: Path, start: Path | None = None, keep: float = 0.0) -> Path:
    """Writes `model.fp32.onnx` below `work` and `tokenizer.json` below `out`; *keep* is the share of *start* in it."""
    target = work / "model.fp32.onnx"
    out.mkdir(parents=True, exist_ok=True)
    model = averaged(work / "checkpoint.pt")
    if start is not None and keep:
        blend(model, weights(start), keep)
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


def blend(model: Guard, other: Mapping[str, Tensor], keep: float) -> None:
    """Moves the weights of *model* towards those of *other*, which may lack a part, and whose tables rows."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.requires_grad and name in other:
                rows = other[name].shape[0]
                parameter[:rows].lerp_(other[name], keep)
