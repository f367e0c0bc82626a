"""The shape of a text: one byte for each character, its class, so that looking for a pattern costs next to nothing."""

from __future__ import annotations

from string import ascii_lowercase, ascii_uppercase, digits, whitespace


def _table(classes: dict[bytes, str]) -> bytes:
    table = bytearray(b"\0" * 32 + b"." * 95 + b"\0" + b"." * 128)
    for name, characters in classes.items():
        for character in characters:
            table[ord(character)] = name[0]
    return bytes(table)


_CLASSES = _table(
    {b"a": ascii_lowercase, b"A": ascii_uppercase, b"0": digits, b" ": whitespace, b"@": "@$!|", b"-": "-_.+*~="}
)
_CASELESS = bytes.maketrans(b"A", b"a")
_WORDS = bytes.maketrans(b"A@.-\0", b"a    ")


def shape(text: str) -> bytes:
    """
    One byte for each character of *text*, at the same index.

    `a` is a small letter of ASCII and `A` a capital one, `0` a digit, a space any white space of ASCII, `@` one of
    `@$!|`, `-` one of `-_.+*~=`, NUL a control character, and `.` the rest, whatever is outside ASCII included.
    """
    return text.encode("ascii", "replace").translate(_CLASSES)


def caseless(outline: bytes) -> bytes:
    """A shape with `a` for every letter."""
    return outline.translate(_CASELESS)


def word_shape(outline: bytes) -> bytes:
    """A shape reduced to `a` for a letter, `0` for a digit and a space for all else."""
    return outline.translate(_WORDS)
