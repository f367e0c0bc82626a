"""The model: a BERT encoder of six layers without any attention mask, and three heads on it.

Every row of a batch has the same length, in training as at inference, so there is no padding to mask.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from scanner_service.inference.word_shapes import Shape
from training.rows import TAGS, TOXICITY
from training.tokens import base_model

NEAR = 2  # tokens to each side whose capitals say something about one


class Headed(nn.Module):
    """An encoder with heads on it, one of which can be asked alone."""

    def head(self, name: str, ids: Tensor) -> Tensor:
        """The logits of one head for `ids`, [batch, tokens]."""
        raise NotImplementedError


class Layer(nn.Module):
    """One transformer layer, post-norm, as BERT has it."""

    def __init__(self, width: int, heads: int, inner: int, eps: float = 1e-12) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.out = nn.Linear(width, width)
        self.attention_norm = nn.LayerNorm(width, eps=eps)
        self.widen, self.narrow = nn.Linear(width, inner), nn.Linear(inner, width)
        self.norm = nn.LayerNorm(width, eps=eps)

    def forward(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        q, k, v = (self._split(linear(x)) for linear in (self.query, self.key, self.value))
        scores = q @ k.transpose(-1, -2) * (q.shape[-1] ** -0.5)
        if bias is not None:  # [heads, tokens, tokens]
            scores = scores + bias
        mixed = (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)
        x = self.attention_norm(x + self.out(mixed))
        return self.norm(x + self.narrow(nn.functional.gelu(self.widen(x))))

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class Encoder(nn.Module):
    """Token ids [batch, tokens] to vectors [batch, tokens, width]."""

    def __init__(self, config: dict[str, int]) -> None:
        super().__init__()
        width = config["hidden_size"]
        self.words = nn.Embedding(config["vocab_size"], width)
        self.positions = nn.Embedding(config["max_position_embeddings"], width)
        self.segment = nn.Parameter(torch.zeros(width))
        self.norm = nn.LayerNorm(width, eps=1e-12)
        self.layers = nn.ModuleList(
            Layer(width, config["num_attention_heads"], config["intermediate_size"])
            for _ in range(config["num_hidden_layers"])
        )

    def forward(self, ids: Tensor) -> Tensor:
        positions = self.positions.weight[: ids.shape[1]]
        x = self.norm(self.words(ids) + positions + self.segment)
        for layer in self.layers:
            x = layer(x)
        return x


class WindowHead(nn.Module):
    """A head over the whole window: [CLS], the mean, and the tokens that a learned query attends to."""

    def __init__(self, width: int, labels: int) -> None:
        super().__init__()
        self.attend = nn.Linear(width, 1)
        self.dropout = nn.Dropout(0.1)
        self.hidden = nn.Linear(3 * width, width)
        self.out = nn.Linear(width, labels)

    def forward(self, x: Tensor) -> Tensor:
        attended = self.attend(x).softmax(1).transpose(1, 2) @ x
        pooled = torch.cat([x[:, :1], x.mean(1, keepdim=True), attended], dim=-1)
        logits: Tensor = self.out(self.dropout(nn.functional.gelu(self.hidden(pooled))))
        return logits[:, 0]


class Capitals(nn.Module):
    """
    What the capitals of a word, of those beside it and of the whole window add to the logits of its tags.

    The encoder does not see them: attacks must not change their score by them. At first they add nothing.
    """

    def __init__(self, width: int, tags: int, inner: int = 96) -> None:
        super().__init__()
        self.hidden = nn.Linear(width, inner)
        self.shape, self.habit = nn.Embedding(len(Shape), inner), nn.Embedding(len(Shape), inner)
        self.norm = nn.LayerNorm(inner)
        self.mix = nn.Linear((2 * NEAR + 1) * inner, inner)
        self.out = nn.Linear(inner, tags)
        for weight in (self.shape.weight, self.habit.weight):
            nn.init.normal_(weight, std=0.1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor, shapes: Tensor) -> Tensor:
        written = self.hidden(x) + self.shape(shapes) + self.habit(shapes).mean(1, keepdim=True)
        each = nn.functional.gelu(self.norm(written))
        padded = nn.functional.pad(each, (0, 0, NEAR, NEAR))
        near = torch.cat([padded[:, i : i + x.shape[1]] for i in range(2 * NEAR + 1)], dim=-1)
        added: Tensor = self.out(each + nn.functional.gelu(self.mix(near)))
        return added


class Guard(Headed):
    """
    Logits of all heads: injection [batch, 1], toxicity [batch, 9], entities [batch, tokens, 9].

    What is given, [batch, tokens], is the id of each token plus the size of the vocabulary times the shape of its word
    (`scanner_service.inference.word_shapes`); of a bare id, the shape is unknown.
    """

    def __init__(self, config: dict[str, int]) -> None:
        super().__init__()
        width = config["hidden_size"]
        self.vocabulary = config["vocab_size"]
        self.encoder = Encoder(config)
        self.injection = WindowHead(width, 1)
        self.toxicity = WindowHead(width, len(TOXICITY))
        self.entities = nn.Linear(width, len(TAGS))
        self.capitals = Capitals(width, len(TAGS))

    def forward(self, ids: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = self.encoder(ids % self.vocabulary)
        return self.injection(x), self.toxicity(x), self._tags(x, ids)

    def head(self, name: str, ids: Tensor) -> Tensor:
        x = self.encoder(ids % self.vocabulary)
        logits: Tensor = self._tags(x, ids) if name == "entities" else getattr(self, name)(x)
        return logits

    def _tags(self, x: Tensor, ids: Tensor) -> Tensor:
        tags: Tensor = self.entities(x) + self.capitals(x, ids.div(self.vocabulary, rounding_mode="trunc"))
        return tags


def pretrained(folder: Path | None = None, layers: Sequence[int] = ()) -> Guard:
    """
    A guard on the pretrained encoder, or on some of its *layers*; its heads are fresh.

    The word embeddings stay as they were pretrained, so that words never seen in training keep their meaning.
    """
    folder = folder or base_model()
    model = Guard(json.loads((folder / "config.json").read_text(encoding="utf-8")))
    weights = load_file(str(folder / "model.safetensors"))
    ours = {renamed(name, _TERMS): tensor for name, tensor in weights.items()}
    segment = ours.pop("segments")[0]
    ours = {name: tensor for name, tensor in ours.items() if not name.startswith(("pooler", "ids"))}
    model.encoder.load_state_dict(ours | {"segment": segment})
    model.encoder.words.weight.requires_grad_(requires_grad=False)
    if layers:
        model.encoder.layers = nn.ModuleList(model.encoder.layers[i] for i in layers)
    return model


def renamed(name: str, terms: Iterable[tuple[str, str]]) -> str:
    """The name of a published weight in this package's *terms*: pairs of theirs and ours, replaced in this order."""
    for theirs, ours in terms:
        name = name.replace(theirs, ours)
    return name


_TERMS = (
    ("embeddings.word_embeddings", "words"),
    ("embeddings.position_embeddings", "positions"),
    ("embeddings.token_type_embeddings.weight", "segments"),
    ("embeddings.position_ids", "ids"),
    ("embeddings.LayerNorm", "norm"),
    ("encoder.layer", "layers"),
    ("attention.self.", ""),
    ("attention.output.dense", "out"),
    ("attention.output.LayerNorm", "attention_norm"),
    ("intermediate.dense", "widen"),
    ("output.dense", "narrow"),
    ("output.LayerNorm", "norm"),
)
