"""Kind `length`: texts with more tokens or characters than a limit."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec
from tokenizers import Encoding, Tokenizer

from scanner_service.errors import ConfigError
from scanner_service.findings import Finding
from scanner_service.scanner import Context, ModelInfo, Need
from scanner_service.text import Span, Text

# Counted at a time: the work on a text that is far too long ends soon after the limit.
SLICE_CHARACTERS = 8192

# No character becomes more tokens: the one with the longest compatibility decomposition, U+FDFA, has 18 characters.
MAX_TOKENS_PER_CHARACTER = 18

MODEL = "guard"

Limit = Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)]


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Options of the kind; at least one limit is needed.

    Attributes:
        max_tokens: as many are still allowed.
        max_characters: as many are still allowed.
        model: a name in the manifest; its tokenizer counts.
    """

    max_tokens: Limit | None = None
    max_characters: Limit | None = None
    model: str = MODEL


@dataclass(frozen=True, slots=True)
class Length:
    """
    Reports how much of the limits a text uses up.

    The score is 1 over a limit and below 0.5 up to it, in proportion: with a threshold of 0.25, half the limit is
    enough. Tokens of a text too short to reach the limit are not counted; it scores 0.
    """

    max_tokens: int | None
    max_characters: int | None
    tokenizer: Tokenizer | None
    needs: Sequence[Need] = ()
    labels: Collection[str] = ("TOO_MANY_CHARACTERS", "TOO_MANY_TOKENS")
    whole_text: bool = True

    def scan(self, text: Text, context: Context) -> Iterator[Finding]:
        """One finding for each limit: the part past it or, up to it, the whole text."""
        if self.max_characters is not None:
            end = self.max_characters if len(text) > self.max_characters else None
            yield _finding("TOO_MANY_CHARACTERS", text, len(text), self.max_characters, end)
        if self.max_tokens is not None and self.tokenizer is not None:
            count, end = _count(self.tokenizer, text.value, self.max_tokens)
            yield _finding("TOO_MANY_TOKENS", text, count, self.max_tokens, end)


def build(config: Config, models: Mapping[str, ModelInfo]) -> Length:
    """
    Make the scanner.

    Raises:
        ConfigError: if there is no limit, the model does not exist or its tokenizer cannot be used.
    """
    if config.max_tokens is None and config.max_characters is None:
        raise ConfigError("`$.options`: neither `max_tokens` nor `max_characters`")
    if config.max_tokens is None and config.model != MODEL:
        raise ConfigError("`$.options.model`: its tokenizer counts for `max_tokens`; give that too, or leave it out")
    tokenizer = None if config.max_tokens is None else _load(config.model, models)
    return Length(config.max_tokens, config.max_characters, tokenizer)


def _load(model: str, models: Mapping[str, ModelInfo]) -> Tokenizer:
    if model not in models:
        raise ConfigError(f"`$.options.model`: no `{model}` in the manifest; there are: {', '.join(models)}")
    try:
        tokenizer = Tokenizer.from_str(models[model].read_tokenizer().decode())
    except Exception as error:  # noqa: BLE001 - the Rust core raises plain Exception
        raise ConfigError(f"`$.options.model`: the tokenizer of `{model}` cannot be used: {error}") from None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.encode_special_tokens = True  # a typed `[SEP]` is text
    return tokenizer


def _count(tokenizer: Tokenizer, text: str, limit: int) -> tuple[int, int | None]:
    """How many tokens there are, and where those past the limit start; counting stops there."""
    if len(text) * MAX_TOKENS_PER_CHARACTER <= limit:
        return 0, None
    count = 0
    unknown = _unknown(tokenizer)
    for start, part in _slices(text):
        encoding = tokenizer.encode_batch([part], add_special_tokens=False)[0]
        costs = _costs(encoding, unknown)
        if count + sum(costs) > limit:
            return limit + 1, start + _reached(encoding, costs, limit - count)
        count += sum(costs)
    return count, None


def _costs(encoding: Encoding, unknown: int | None) -> list[int]:
    """
    What each token counts.

    A word that a tokenizer gives up is one unknown token, however long. It counts for all its characters.
    """
    return [
        end - start if id_ == unknown else 1 for id_, (start, end) in zip(encoding.ids, encoding.offsets, strict=True)
    ]


def _reached(encoding: Encoding, costs: Sequence[int], rest: int) -> int:
    """The character at which *rest* is used up."""
    for cost, (start, _) in zip(costs, encoding.offsets, strict=True):
        if cost > rest:
            return int(start) + rest if cost > 1 else int(start)
        rest -= cost
    raise AssertionError("the costs do not add up; this is a bug")


def _unknown(tokenizer: Tokenizer) -> int | None:
    token = getattr(tokenizer.model, "unk_token", None)
    return None if token is None else tokenizer.token_to_id(token)


def _slices(text: str) -> Iterator[tuple[int, str]]:
    """Parts of *text* with their starts, cut at white space where there is some."""
    start = 0
    while start < len(text):
        end = start + SLICE_CHARACTERS
        if end < len(text):
            end = max(text.rfind(" ", start + 1, end), text.rfind("\n", start + 1, end))
            end = end if end > start else start + SLICE_CHARACTERS
        yield start, text[start:end].encode("utf-8", "replace").decode()
        start = end


def _finding(label: str, text: Text, count: int, limit: int, end: int | None) -> Finding:
    if end is None:
        return Finding(label, 0.5 * count / (limit + 1), Span(0, len(text)))
    return Finding(label, 1.0, Span(end, len(text)))
