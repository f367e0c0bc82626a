"""
Write the data files of `scanner_service.views`: common words, look-alike letters, flag regions.

    python tools/view_data.py words VOCAB DATA       (vocab.txt of all-MiniLM-L6-v2; folder of JSON Lines, gzipped)
    python tools/view_data.py lookalikes CONFUSABLES (confusables.txt of Unicode's security mechanisms)
"""

from __future__ import annotations

import gzip
import json
import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

DATA = Path(__file__).parent.parent / "scanner_service" / "data"

SHORT = "a i ai am an as at be by do go he hi if in is it me my no of oh ok on or so to up us we".split()  # noqa: SIM905
SEEN_IN_VOCABULARY = 3
SEEN_ELSEWHERE = 60

WORDS_HEADER = """\
# Common English words, most frequent first: the word list behind segmentation, leetspeak and ciphers.
# Members: whole words of the vocabulary of sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0) and words seen
# often in this project's training prompts; order: how often those prompts use them. Written by tools/view_data.py.
"""

# What Unicode's table leaves out because these resemble a small capital, or resemble loosely.
OWN = dict(zip("вкмнтпгԍӏѵոսօհցզյքաԝиκτεηχβєёΛΣИЯЄΙІ", "bkmhtnrglvnuohgqjpwwuktenxbeeAENREII", strict=True))

LOOKALIKES_HEADER = """\
# Letters that look like a Latin letter: the Latin letter, a space, its look-alikes.
# Source: confusables.txt of Unicode Technical Standard 39, version {version}, © Unicode, Inc., used under the
# Unicode License (https://www.unicode.org/license.txt); reduced to letters outside ASCII with one Latin letter
# for prototype, plus Latin small capitals and the own additions listed in tools/view_data.py, which wrote this.
"""


def count(folder: Path) -> Counter[str]:
    """How often each word of letters a to z occurs in the English prompts below *folder*."""
    counts: Counter[str] = Counter()
    for path in sorted((folder / "injection").glob("*.jsonl.gz")):
        if path.name.startswith("multilingual"):
            continue
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                if row.get("lang", "en") == "en":
                    counts.update(re.findall(r"[a-z]{3,18}", row["text"].lower()))
    return counts


def words(vocabulary: Path, folder: Path) -> Iterator[str]:
    """The word list, most frequent first."""
    counts = count(folder)
    known = set(re.findall(r"^[a-z]{3,18}$", vocabulary.read_text("utf-8"), re.MULTILINE))
    chosen = [w for w, n in counts.items() if n >= (SEEN_IN_VOCABULARY if w in known else SEEN_ELSEWHERE)]
    yield from SHORT
    yield from sorted(chosen, key=lambda word: (-counts[word], word))


def single(letter: str) -> str | None:
    """The Latin letter that *letter* is a small capital of, by its Unicode name."""
    match = re.fullmatch(r"LATIN LETTER SMALL CAPITAL ([A-Z])", unicodedata.name(letter, ""))
    return match[1].lower() if match else None


def resembles(letter: str) -> bool:
    """Whether *letter* can stand in a line of Latin text: not written from the right, no ideograph."""
    return unicodedata.category(letter)[0] == "L" and unicodedata.bidirectional(letter) == "L" and letter not in "〇Ω"


def lookalikes(table: str) -> dict[str, str]:
    """Look-alike to Latin letter."""
    found: dict[str, str] = {}
    for source, target in re.findall(r"^([0-9A-F]+) ;\t([0-9A-F]+) ;\tMA", table, re.MULTILINE):
        letter, latin = chr(int(source, 16)), chr(int(target, 16))
        if not letter.isascii() and latin.isascii() and latin.isalpha() and resembles(letter):
            found[letter] = latin
    found |= {chr(code): latin for code in range(0x250, 0xAB70) if (latin := single(chr(code)))}
    found |= OWN
    capitals = {k.upper(): v.upper() for k, v in found.items() if len(k.upper()) == 1 and k.upper() not in found}
    # Small letters of Cherokee look like small capitals.
    capitals |= {k.lower(): v.lower() for k, v in found.items() if "CHEROKEE" in unicodedata.name(k)}
    # The capital of a long s or of an i without a dot is a letter of ASCII.
    both = (capitals | found).items()
    return {k: v for k, v in both if not k.isascii() and unicodedata.normalize("NFKC", k) == k}


def main() -> None:
    """Write one of the files."""
    kind, *paths = sys.argv[1:]
    if kind == "words":
        DATA.joinpath("words.txt").write_text(WORDS_HEADER + "\n".join(words(*map(Path, paths))) + "\n", "utf-8")
        return
    table = Path(paths[0]).read_text("utf-8")
    found = lookalikes(table)
    version = re.search(r"^# Version: (\S+)", table, re.MULTILINE)
    lines = [f"{to} {''.join(sorted(k for k, v in found.items() if v == to))}" for to in sorted(set(found.values()))]
    header = LOOKALIKES_HEADER.format(version=version[1] if version else "unknown")
    DATA.joinpath("lookalikes.txt").write_text(header + "\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main()
