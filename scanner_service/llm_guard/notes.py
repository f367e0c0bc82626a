"""What has to be said of a file that is carried over."""

from __future__ import annotations

import json
import re
import textwrap
from dataclasses import dataclass

from scanner_service.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Note:
    """
    What has to be known of a place in the file.

    Attributes:
        text: one sentence or two.
        lost: whether something blocks or redacts there that nothing here does.
    """

    text: str
    lost: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """A note, and the place in the file that it is about."""

    place: str
    note: Note

    def __str__(self) -> str:
        text = "".join(each if each.isprintable() else " " for each in self.note.text)
        return f"{self.place}: {text}"


def named(word: object) -> str:
    """What somebody else called something, fit to be shown in one line."""
    text = str(word)
    return f"`{text}`" if re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", text) else json.dumps(text[:64])


def brief(error: ConfigError) -> str:
    """What is wrong, without the whole of a long pattern."""
    return textwrap.shorten(str(error), 300, placeholder=" …")
