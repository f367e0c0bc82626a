"""The language side of presidio without a language model: words, their lemmas, and what a model found."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from presidio_analyzer.nlp_engine import NlpArtifacts, NlpEngine

# presidio wants to know. Recognizers of every language and country serve it; see `recognizers.build`.
LANGUAGE = "en"

_TOKEN = re.compile(r"\w+|[^\w\s]+")
# A token may hold several words: `phone_number`, `phoneNumber`.
_WORD = re.compile(r"[^\W_a-z]*[^\W_A-Z]+|[^\W_a-z]+")


@dataclass(frozen=True, slots=True)
class Entity:
    """What a model found, under the attribute names that presidio reads. Characters of the text."""

    label_: str
    score: float
    start_char: int
    end_char: int


def lemmas(token: str) -> tuple[str, ...]:
    """The words in *token* in lower case, in the singular if an `s` tells: `phoneNumbers` is phone, number."""
    if token.isalnum() and (token.islower() or token.istitle() or token.isdigit()):
        return (_singular(token.lower()),)
    return tuple(_singular(word.lower()) for word in _WORD.findall(token))


def _singular(word: str) -> str:
    if len(word) < 3 or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    if len(word) > 3 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("sses", "xes", "ches", "shes")):
        return word[:-2]
    return word[:-1]


class Artifacts(NlpArtifacts):  # type: ignore[misc]
    """
    Tokens of a text, split when somebody asks: most texts hold nothing that context could decide.

    Attributes:
        entities: what a model found.
    """

    def __init__(self, text: str, engine: Blank, entities: Sequence[Entity] = ()) -> None:
        self._text = text
        self._lemmas: dict[int, str] = {}
        self.entities = entities
        self.scores = [entity.score for entity in entities]
        self.nlp_engine = engine

    @cached_property
    def _matches(self) -> list[re.Match[str]]:
        return list(_TOKEN.finditer(self._text))

    @cached_property
    def tokens(self) -> list[str]:
        """The tokens, from left to right: runs of letters and digits, and runs of what is neither nor white space."""
        return [match[0] for match in self._matches]

    @cached_property
    def tokens_indices(self) -> list[int]:
        """Where each token starts."""
        return [match.start() for match in self._matches]

    @property
    def lemmas(self) -> list[str]:
        """For each token, its words as `lemmas` gives them, with spaces between."""
        return [self.lemma(index) for index in range(len(self.tokens))]

    @property
    def keywords(self) -> list[str]:
        """The lemmas that are words."""
        return [lemma for lemma in self.lemmas if lemma]

    def begins_line(self, index: int) -> bool:
        """Whether a token that is not the first stands in another line than the one before it."""
        return index > 0 and "\n" in self._text[self._matches[index - 1].end() : self._matches[index].start()]

    def lemma(self, index: int) -> str:
        """The words in one token, made singular when first asked for; empty if there are none."""
        if index not in self._lemmas:
            self._lemmas[index] = " ".join(lemmas(self.tokens[index]))
        return self._lemmas[index]


class Blank(NlpEngine):  # type: ignore[misc]
    """An engine for presidio that tokenizes, in linear time, and loads nothing."""

    def load(self) -> None:
        """There is nothing to load."""

    def is_loaded(self) -> bool:
        """Always."""
        return True

    def process_text(self, text: str, language: str) -> NlpArtifacts:
        """The tokens of *text*."""
        return Artifacts(text, self)

    def process_batch(self, texts: Iterable[str], language: str, **_: Any) -> Iterator[tuple[str, NlpArtifacts]]:
        """Each text with its tokens."""
        return ((text, self.process_text(text, language)) for text in texts)

    def is_stopword(self, word: str, language: str) -> bool:
        """No word is left out."""
        return False

    def is_punct(self, word: str, language: str) -> bool:
        """Whether *word* holds neither letters nor digits."""
        return not any(map(str.isalnum, word))

    def get_supported_entities(self) -> list[str]:
        """None: models have a recognizer of their own."""
        return []

    def get_supported_languages(self) -> list[str]:
        """The one that stands for all."""
        return [LANGUAGE]
