"""
Text to token ids that know their characters, with every trap of a `tokenizer.json` closed.

A tokenizer file is made for benchmarks, where nobody attacks. Whatever the file says, here

* nothing is truncated and nothing is padded;
* special tokens that a text spells (`[SEP]`, `<s>`) are read as ordinary characters;
* a long word is read in pieces, where WordPiece would give up and take all of it for one unknown token;
* a character that the vocabulary lacks is read apart from the letters that it touches, where WordPiece would give up
  too: an emoji on every word would hide them all;
* tokens that stand for unknown characters are marked, so that what was not read does not pass for harmless.

The `tokenizers` core is used alone: importing `transformers` costs half a second and tens of MiB for nothing that is
needed here.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from scanner_service.errors import ModelError

# Its thread pool would not survive a fork, and a worker has one core.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

# WordPiece tries every prefix of every rest of a word, each try linear: cubic. Models are trained with this cut.
MAX_WORD_CHARACTERS = 64

# Tokenized at once. Between two chunks other threads run; one chunk takes a few milliseconds.
CHUNK_CHARACTERS = 8192

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Tokens:
    """
    A tokenized text; arrays have one element for each token.

    Attributes:
        ids: as the model knows them.
        starts: first character.
        ends: one past the last character.
        begins: whether it begins a word. Pieces that touch in a letter or digit on both sides are one word.
        unknown: whether the token stands for characters that the model cannot read.
    """

    ids: Ints
    starts: Ints
    ends: Ints
    begins: Flags
    unknown: Flags

    def __len__(self) -> int:
        return len(self.ids)


class TextTokenizer:
    """
    Turns text of any length into tokens, in time linear in its length.

    Args:
        content: of a `tokenizer.json`.

    Attributes:
        prefix: ids that go before a row, such as `[CLS]`.
        suffix: ids that go after it, such as `[SEP]`.

    Raises:
        ModelError: if it is not a tokenizer.
    """

    def __init__(self, content: bytes) -> None:
        try:
            raw = json.loads(content)
            self._tokenizer = Tokenizer.from_str(json.dumps(disarmed(raw)))
        except Exception as error:  # noqa: BLE001 - the Rust core raises plain Exception
            raise ModelError(f"not a tokenizer: {error}") from None
        self._tokenizer.encode_special_tokens = True
        self.prefix, self.suffix = self._frame()
        special = {token["id"] for token in raw.get("added_tokens", []) if token.get("special")}
        unknown = raw["model"].get("unk_token") or _piece(raw["model"].get("vocab"), raw["model"].get("unk_id"))
        self._unknown = None if unknown is None else self._tokenizer.token_to_id(unknown)
        size = max([self._tokenizer.get_vocab_size(with_added_tokens=True), *(id_ + 1 for id_ in special)])
        self._special = np.zeros(size, dtype=bool)
        self._special[list(special | {*self.prefix, *self.suffix})] = True
        if self._unknown is not None:
            self._special[self._unknown] = False

    def encode(self, text: str) -> Tokens:
        """
        The tokens of *text*, without frame.

        Raises:
            ModelError: if the vocabulary has no token for unknown characters and the text needs one.
        """
        ids: list[Ints] = []
        spans: list[Ints] = []
        for start, chunk in _chunks(text):  # to arrays chunk by chunk: a long list would hold up other threads
            encoding = self._encode(chunk)
            ids.append(np.array(encoding.ids, dtype=np.int64))
            spans.append(np.array(encoding.offsets, dtype=np.int64).reshape(-1, 2) + start)
        known, unknown = self._without_special(np.concatenate(ids))
        characters = np.concatenate(spans)
        return Tokens(known, characters[:, 0], characters[:, 1], word_begins(text, characters), unknown)

    def _encode(self, chunk: str) -> Encoding:
        readable = chunk if chunk.isascii() else _LONE_SURROGATE.sub("\ufffd", chunk)
        try:  # a batch of one: unlike `encode`, it lets other threads run meanwhile
            return self._tokenizer.encode_batch([readable], add_special_tokens=False)[0]
        except Exception:  # noqa: BLE001 - the Rust core raises plain Exception, perhaps quoting the text
            raise ModelError("the tokenizer cannot read the text") from None

    def _without_special(self, ids: Ints) -> tuple[Ints, Flags]:
        """Some vocabularies hold special tokens as ordinary pieces; typed ones become unknown tokens."""
        special = self._special[ids]
        if special.any():
            if self._unknown is None:
                raise ModelError("the text spells a special token, and there is no unknown token to read it as")
            ids = np.where(special, self._unknown, ids)
        if self._unknown is None:
            return ids, np.zeros(len(ids), dtype=bool)
        return ids, ids == self._unknown

    def _frame(self) -> tuple[Sequence[int], Sequence[int]]:
        """What the file puts around a text; if it does not say, `[CLS]` and `[SEP]` where the vocabulary has them."""
        if self._tokenizer.post_processor is not None:
            framed = self._tokenizer.encode("a")
            own = [index for index, added in enumerate(framed.special_tokens_mask) if not added]
            return framed.ids[: own[0]], framed.ids[own[-1] + 1 :]
        cls, sep = (self._tokenizer.token_to_id(token) for token in ("[CLS]", "[SEP]"))
        return ([], []) if cls is None or sep is None else ([cls], [sep])


def word_begins(text: str, spans: Ints) -> Flags:
    """Which of the tokens at these *spans* of *text*, [tokens, 2], begin a word: see `Tokens`."""
    begins = np.ones(len(spans), dtype=bool)
    touching = np.flatnonzero(spans[1:, 0] == spans[:-1, 1]) + 1
    begins[touching] = [
        not (text[at - 1 : at].isalnum() and text[at : at + 1].isalnum()) for at in spans[touching, 0].tolist()
    ]
    return begins


def disarmed(raw: dict[str, Any]) -> dict[str, Any]:
    """The content *raw* of a file without truncation and padding, and with words cut that would be given up."""
    made = raw | {"truncation": None, "padding": None}
    if raw["model"].get("type") == "WordPiece":
        made["model"] = raw["model"] | {"max_input_chars_per_word": 1_000_000_000}
        given = raw.get("pre_tokenizer") or {"type": "Sequence", "pretokenizers": []}
        steps = given["pretokenizers"] if given["type"] == "Sequence" else [given]
        cuts = [_unreadable(raw["model"]["vocab"]), {"type": "FixedLength", "length": MAX_WORD_CHARACTERS}]
        made["pre_tokenizer"] = {
            "type": "Sequence",
            "pretokenizers": [*(each for each in steps if each not in cuts), *cuts],
        }
    return made


def _unreadable(vocabulary: Mapping[str, int]) -> Mapping[str, object]:
    """
    The step that sets characters apart that no piece of *vocabulary* has: signs, and letters that touch those of ASCII.

    Words that it can read, and words in scripts that it cannot, stay as they are.
    """
    known = "".join(f"\\x{{{ord(character):x}}}" for character in sorted({*"".join(vocabulary)}))
    sign, unknown = f"[^{known}\\p{{L}}\\p{{M}}\\p{{N}}]", f"[^{known}]"
    # The first look back keeps a long run from being tried at each of its characters.
    pattern = f"{sign}+|(?<=[A-Za-z0-9]){unknown}+|(?<!{unknown}){unknown}+(?=[A-Za-z0-9])"
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}


def _piece(vocabulary: Any, index: int | None) -> str | None:
    """The name of a piece in a Unigram vocabulary, which is a list of pairs."""
    if index is None or not isinstance(vocabulary, list):
        return None
    return str(vocabulary[index][0])


def _chunks(text: str) -> Iterator[tuple[int, str]]:
    """Where each chunk starts, and the chunk. Cut before a space or line break if there is one, else anywhere."""
    start = 0
    while len(text) - start > CHUNK_CHARACTERS:
        end = start + CHUNK_CHARACTERS
        half = start + CHUNK_CHARACTERS // 2
        cut = max(text.rfind(" ", half, end), text.rfind("\n", half, end))
        end = cut if cut > start else end
        yield start, text[start:end]
        start = end
    yield start, text[start:]
