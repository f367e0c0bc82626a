"""Disguises that `scanner_service.views` undoes, by name: what an attacker writes instead of plain text."""

from __future__ import annotations

import base64
import codecs
import urllib.parse
from collections.abc import Callable, Mapping
from string import ascii_letters, ascii_lowercase, ascii_uppercase

_CYRILLIC = str.maketrans("aceopxyABCEHKMOPTX", "асеорхуАВСЕНКМОРТХ")
_LEET = str.maketrans("aeioAEIO", "43104310")
_THREE_ON = str.maketrans(ascii_letters, ascii_lowercase[3:] + "abc" + ascii_uppercase[3:] + "ABC")
_ATBASH = str.maketrans(ascii_letters, ascii_lowercase[::-1] + ascii_uppercase[::-1])


def full_width(text: str) -> str:
    """ASCII as full-width forms."""
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else "\u3000" if c == " " else c for c in text)


def mathematical(text: str) -> str:
    """Letters as mathematical bold ones."""
    return "".join(
        chr(ord(c) - ord("a") + 0x1D41A)
        if "a" <= c <= "z"
        else chr(ord(c) - ord("A") + 0x1D400)
        if "A" <= c <= "Z"
        else c
        for c in text
    )


def html_entities(text: str) -> str:
    """Every character as a numeric entity."""
    return "".join(f"&#{ord(c)};" for c in text)


OBFUSCATIONS: Mapping[str, Callable[[str], str]] = {
    "zero_width": "\u200b".join,
    "soft_hyphens": "\u00ad".join,
    "tag_characters": lambda text: "".join(chr(0xE0000 + ord(c)) for c in text if c.isascii()),
    "combining_marks": lambda text: "".join(c + "\u0336" if c.isalpha() else c for c in text),
    "full_width": full_width,
    "mathematical": mathematical,
    "cyrillic": lambda text: text.translate(_CYRILLIC),
    "leetspeak": lambda text: text.translate(_LEET),
    "letter_spacing": lambda text: "   ".join(" ".join(word) for word in text.split()),
    "no_spaces": lambda text: "".join(text.split()),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "hex": lambda text: text.encode().hex(),
    "percent": lambda text: "".join(f"%{byte:02X}" for byte in text.encode()),
    "html_entities": html_entities,
    "unicode_escapes": lambda text: "".join(f"\\u{ord(c):04x}" for c in text),
    "rot13": lambda text: codecs.encode(text, "rot13"),
    "caesar": lambda text: text.translate(_THREE_ON),
    "mark_up": lambda text: "".join(f"<b>{c}</b>" if c.isalpha() else c for c in text),
    "joined_strings": lambda text: " ".join(
        f"{word[:2]}' + '{word[2:]}" if len(word) > 3 else word for word in text.split()
    ),
    "atbash": lambda text: text.translate(_ATBASH),
    "percent_of_base64": lambda text: urllib.parse.quote(base64.b64encode(text.encode()).decode(), safe=""),
}
