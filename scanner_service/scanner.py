"""The interface between scanners and the rest: what a scanner needs, is given and gives."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from scanner_service.findings import Finding
from scanner_service.text import Span, Text, View


@dataclass(frozen=True, slots=True)
class Need:
    """
    A model over one derivation of the text; the engine runs it before the scanner.

    Attributes:
        model: its name in the manifest.
        view: the name of a derivation in `views.VIEWS`.
    """

    model: str
    view: str = "raw"


@dataclass(frozen=True, slots=True)
class Prediction:
    """
    One label that a model gave to one stretch of a view.

    Sequence classifiers give one for each window and label, token classifiers one for each entity.

    Attributes:
        label: upper snake case, as in the manifest.
        score: calibrated probability, 0 to 1.
        span: characters of the *view* that the model looked at.
    """

    label: str
    score: float
    span: Span


@dataclass(frozen=True, slots=True)
class Context:
    """
    What a scanner is handed beside the text.

    Attributes:
        predictions: for each need, the views it derived and what the model says about each of them.
        prompt: the prompt that the text answers, when the text is an output.
    """

    predictions: Mapping[Need, Sequence[tuple[View, Sequence[Prediction]]]] = field(default_factory=dict)
    prompt: Text | None = None


class Scanner(Protocol):
    """
    A pure function from a text to findings: no I/O, no state, no policy.

    A scanner that can only judge a text as a whole, such as a length, also says so: see `Whole`.

    Attributes:
        needs: the models to run first.
    """

    @property
    def needs(self) -> Sequence[Need]: ...

    def scan(self, text: Text, context: Context) -> Iterable[Finding]:
        """Everything seen, whatever its score; spans are of the original text."""
        ...


@runtime_checkable
class Widening(Protocol):
    """A scanner that can look for more than it is configured to."""

    def looking_for(self, labels: frozenset[str]) -> Scanner:
        """
        The scanner that also looks for *labels*; may take milliseconds, and is called off the event loop.

        Raises:
            ConfigError: if it knows nothing of one of them.
        """
        ...


@runtime_checkable
class Whole(Protocol):
    """
    A scanner that can only judge a text as a whole.

    Attributes:
        whole_text: whether it can; in a stream it then judges when the text is complete, and what it finds can block
            the text but change nothing of it.
    """

    @property
    def whole_text(self) -> bool: ...


@runtime_checkable
class Labelled(Protocol):
    """
    A scanner that says which labels its findings can have, so that a misspelt one in a rule is refused.

    Attributes:
        labels: all of them, also those that it has yet to be told to look for.
    """

    @property
    def labels(self) -> Collection[str]: ...


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """
    What a scanner may know about a model when it is built.

    Attributes:
        labels: the labels of all its heads.
        read_tokenizer: gives the content of its `tokenizer.json`, verified; or raises `ModelError`.
        digest: the SHA-256 of its file.
        thresholds: by label, where its calibration puts them.
        entry_digest: the SHA-256 of all that the manifest says about it.
    """

    labels: frozenset[str]
    read_tokenizer: Callable[[], bytes]
    digest: str
    thresholds: Mapping[str, float] = field(default_factory=dict)
    entry_digest: str = ""
