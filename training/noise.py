"""Changes of form that keep the meaning: casing, typos, leetspeak, lost spaces, quoting, cutting.

Applied to attacks and harmless texts alike, so that form is never the signal.
"""

from __future__ import annotations

import random
from collections.abc import Callable

_LEET = str.maketrans("aeiost", "431057")
_NEIGHBOURS = {
    "a": "sq",
    "e": "wr",
    "i": "uo",
    "n": "bm",
    "o": "ip",
    "r": "et",
    "s": "ad",
    "t": "ry",
    "l": "k",
    "u": "yi",
}


def typos(text: str, rng: random.Random) -> str:
    """About one letter in thirty dropped, doubled, swapped or mistyped."""
    out = []
    for char in text:
        roll = rng.random()
        if not char.isalpha() or roll > 0.035:
            out.append(char)
        elif roll < 0.01:
            out.append(char * 2)
        elif roll < 0.02 and out:
            out.insert(-1, char)
        elif roll < 0.028:
            out.append(rng.choice(_NEIGHBOURS.get(char.lower(), char)))
    return "".join(out)


def leet(text: str, rng: random.Random) -> str:
    chosen = {ord(k): v for k, v in zip("aeiost", "431057", strict=True) if rng.random() < 0.7}
    return text.translate(chosen or _LEET)


def unspaced(text: str, rng: random.Random) -> str:
    """Spaces removed, or replaced by a joining character."""
    return text.replace(" ", rng.choice(["", "", "_", "-", ".", "  "]))


def spaced(text: str, rng: random.Random) -> str:
    """Some words letter by letter."""
    words = text.split(" ")
    return " ".join(" ".join(word) if rng.random() < 0.3 else word for word in words)


def capitals(text: str, rng: random.Random) -> str:
    return rng.choice([text.upper, text.lower, text.title, text.swapcase])()


def quoted(text: str, rng: random.Random) -> str:
    left, right = rng.choice(
        [('"', '"'), ("'", "'"), ("«", "»"), ("```\n", "\n```"), ("> ", ""), ("(", ")"), ("[", "]")]
    )
    return left + text + right


def decorated(text: str, rng: random.Random) -> str:
    mark = rng.choice(["!!!", "***", "---", "...", "###", "\n\n\n", "~~", "==="])
    return rng.choice([mark + text, text + mark, mark + text + mark])


CHANGES: tuple[Callable[[str, random.Random], str], ...] = (
    typos,
    typos,
    leet,
    unspaced,
    unspaced,
    spaced,
    capitals,
    quoted,
    decorated,
)


def disturb(text: str, rng: random.Random) -> str:
    """One random change of form."""
    return rng.choice(CHANGES)(text, rng)
