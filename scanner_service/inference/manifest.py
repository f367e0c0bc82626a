"""The manifest: which models there are, where their files lie, and the digests those files must have."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from scanner_service.conversion import convert
from scanner_service.errors import ConfigError, ModelError
from scanner_service.scanner import ModelInfo

# Given by the service itself, to windows of which a sequence classifier could read only a part.
UNINTELLIGIBLE = "UNINTELLIGIBLE"

Digest = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_-]{0,63}$")]
Label = Annotated[str, msgspec.Meta(pattern=r"^([BI]-)?[A-Z][A-Z0-9_]{0,63}$")]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class Head(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    One output of a model and what its numbers mean.

    Attributes:
        output: name of the ONNX output, which holds logits.
        kind: `sequence` for [batch, labels], `token` for [batch, tokens, labels].
        activation: `sigmoid` if labels are independent, `softmax` if exactly one holds.
        labels: in the order of the output. Those of a token head are `O`, `B-NAME` and `I-NAME`.
        temperature: logits are divided by it, which makes the scores probabilities.
        window_penalty: see `windows`.
        thresholds: by label, where calibration puts them; they hold for rules that give no threshold.
    """

    output: str
    kind: Literal["sequence", "token"]
    activation: Literal["sigmoid", "softmax"]
    labels: Annotated[tuple[Label, ...], msgspec.Meta(min_length=1)]
    temperature: Annotated[float, msgspec.Meta(gt=0, le=1000)] = 1.0
    window_penalty: Annotated[float, msgspec.Meta(ge=0, le=1000)] = 0.0
    thresholds: dict[str, Share] = {}

    def names(self) -> frozenset[str]:
        """The labels of its predictions: those of a token head lose their `B-` and `I-`."""
        if self.kind == "sequence":
            return frozenset(self.labels)
        return frozenset(label[2:] for label in self.labels if label != "O")


class ModelEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    One model.

    Attributes:
        file: the ONNX file; a relative path starts at the folder of the manifest.
        sha256: the digest that file must have.
        tokenizer: its `tokenizer.json`.
        tokenizer_sha256: the digest that file must have.
        window_tokens: tokens in one row, with those that frame it, such as `[CLS]` and `[SEP]`.
        overlap_tokens: tokens that two neighbouring windows share.
        shape_stride: of a model that is told how words are written: so many times the shape of its word
            (`inference.word_shapes`) is added to the id of each token; at least the size of its vocabulary.
        licence: of the weights.
        heads: its outputs.
        self_test: a text that must reach the threshold of the first label of the first head before the service
            calls itself ready.
    """

    file: str
    sha256: Digest
    tokenizer: str
    tokenizer_sha256: Digest
    window_tokens: Annotated[int, msgspec.Meta(ge=8, le=8192)]
    overlap_tokens: Annotated[int, msgspec.Meta(ge=0)]
    licence: str
    shape_stride: Annotated[int, msgspec.Meta(ge=1, le=2**24)] | None = None
    heads: Annotated[tuple[Head, ...], msgspec.Meta(min_length=1)]
    self_test: str | None = None

    def labels(self) -> frozenset[str]:
        """The labels that its predictions may have."""
        names = frozenset[str]().union(*(head.names() for head in self.heads))
        return names | {UNINTELLIGIBLE} if any(head.kind == "sequence" for head in self.heads) else names


@dataclass(frozen=True, slots=True)
class Manifest:
    """
    A manifest that was read and makes sense. Its files have not been looked at yet.

    Attributes:
        path: of the manifest.
        models: by name.
    """

    path: Path
    models: Mapping[str, ModelEntry]

    def info(self) -> Mapping[str, ModelInfo]:
        """What scanners may know about each model."""
        return {
            name: ModelInfo(
                labels=entry.labels(),
                read_tokenizer=partial(self.read_tokenizer, name),
                digest=entry.sha256,
                thresholds={label: at for head in entry.heads for label, at in head.thresholds.items()},
                entry_digest=hashlib.sha256(msgspec.json.encode(entry, order="deterministic")).hexdigest(),
            )
            for name, entry in self.models.items()
        }

    def read_model(self, name: str) -> bytes:
        """
        The ONNX file of the model *name*, verified.

        Raises:
            ModelError: if it cannot be read or has another digest.
        """
        return _verified(self._path_of(name, "file"), self.models[name].sha256)

    def read_tokenizer(self, name: str) -> bytes:
        """As `read_model`, for its `tokenizer.json`."""
        return _verified(self._path_of(name, "tokenizer"), self.models[name].tokenizer_sha256)

    def _path_of(self, name: str, key: Literal["file", "tokenizer"]) -> Path:
        entry = self.models[name]
        file = entry.file if key == "file" else entry.tokenizer
        folder = self.path.parent.resolve()
        path = (folder / file).resolve()
        if not Path(file).is_absolute() and not path.is_relative_to(folder):
            raise ConfigError(
                f"{self.path}: `$.models.{name}.{key}` leaves the folder of the manifest; "
                "move the file into it, or give an absolute path"
            )
        return path


def load(path: Path) -> Manifest:
    """
    Read the manifest at *path*.

    Raises:
        ConfigError: if it cannot be read, is not TOML, has missing, unknown or wrong keys, or contradicts itself; the
            message names the file and the path inside it.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ConfigError(f"{path}: not TOML: {error}") from None
    try:
        manifest = Manifest(path, convert(content, _Content).models)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    for name, entry in manifest.models.items():
        for problem in _problems(entry):
            raise ConfigError(f"{path}: `$.models.{name}{problem}")
        manifest._path_of(name, "file"), manifest._path_of(name, "tokenizer")
    return manifest


class _Content(msgspec.Struct, forbid_unknown_fields=True):
    models: Annotated[dict[Name, ModelEntry], msgspec.Meta(min_length=1)]


def _problems(entry: ModelEntry) -> Iterator[str]:
    """What does not make sense together, each as the rest of a path, a closing backtick and a sentence."""
    if entry.overlap_tokens > entry.window_tokens // 2:
        yield ".overlap_tokens` is over half of `window_tokens`: every token would be read three times"
    taken = {UNINTELLIGIBLE}
    for index, head in enumerate(entry.heads):
        at = f".heads[{index}]"
        if head.kind == "token" and ("O" not in head.labels or not all(_is_tag(label) for label in head.labels)):
            yield f"{at}.labels` of a token head are `O`, `B-NAME` and `I-NAME`"
        if head.kind == "sequence" and any(label[1:2] == "-" for label in head.labels):
            yield f"{at}.labels` of a sequence head have no `B-` or `I-`"
        if head.activation == "softmax" and len(head.labels) == 1:
            yield f"{at}.activation` is `softmax` over a single label, which would always score 1"
        if head.activation == "sigmoid" and head.kind == "token":
            yield f"{at}.activation` of a token head is `softmax`: a token has one tag"
        if len(set(head.labels)) < len(head.labels) or head.names() & taken:
            yield f"{at}.labels` holds a label that is taken"
        if unknown := head.thresholds.keys() - head.names():
            yield f"{at}.thresholds` names `{min(unknown)}`, which is not one of its labels"
        taken |= head.names()
    if entry.self_test is not None and entry.heads[0].kind != "sequence":
        yield ".self_test` needs a first head of kind `sequence`"


def _is_tag(label: str) -> bool:
    return label == "O" or label[:2] in ("B-", "I-")


def _verified(path: Path, digest: str) -> bytes:
    # Hashed in memory: what is parsed later is what was verified, whatever happens to the file meanwhile.
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from None
    actual = hashlib.sha256(content).hexdigest()
    if actual != digest:
        raise ModelError(
            f"{path}: its SHA-256 is {actual}, the manifest says {digest}; "
            "fetch the file again, or, if you changed it yourself, put the new digest into the manifest"
        )
    return content
