"""The parts of the options of kind `pii`."""

from __future__ import annotations

from typing import Annotated

import msgspec

Label = Annotated[str, msgspec.Meta(pattern="^[A-Z][A-Z0-9_]*$")]
Score = Annotated[float, msgspec.Meta(ge=0, le=1)]


class AllowList(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Values that are not personal data.

    Attributes:
        exact: as they stand in the text.
        regex: patterns of the linear-time engine that match the whole value.
    """

    exact: list[str] = []
    regex: list[str] = []


class AdHocPattern(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    An entity of your own.

    Attributes:
        label: what a match is reported as.
        regex: what it looks like, for the linear-time engine.
        name: what it is, for people.
        score: of a match, before context words.
        context: words that raise the score when they stand nearby.
        case_sensitive: whether `a` and `A` differ.
    """

    label: Label
    regex: Annotated[str, msgspec.Meta(min_length=1)]
    name: str = ""
    score: Score = 0.6
    context: list[str] = []
    case_sensitive: bool = False


class DenyList(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Words that are personal data wherever they occur, in any case, as whole words.

    Attributes:
        label: what they are reported as.
        words: at least one.
        score: of each.
    """

    label: Label
    words: Annotated[list[Annotated[str, msgspec.Meta(min_length=1)]], msgspec.Meta(min_length=1)]
    score: Score = 1.0
