"""Long harmless documents that are on every machine that can train: Python's library sources and manuals, and the
descriptions of installed packages, full of imperatives, code and warnings (permissive licences). Not those of this
repository's own packages: they quote attacks."""

from __future__ import annotations

import sysconfig
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path
from zlib import crc32

UNSEEN_SHARE = 0.3
OWN = "scanner-service"  # how the names of this repository's packages begin
LINE, LINES = 60, 5  # so many lines of at least so many characters in common are a passage


def is_unseen(name: str) -> bool:
    """Whether a document is kept for evaluation; decided by its name alone."""
    return crc32(name.encode()) % 100 < UNSEEN_SHARE * 100


def trained() -> Iterator[tuple[str, str]]:
    """
    (name, text) of the documents to train on: those that are not kept for evaluation, and have no passage in common
    with one that is. The chapters of Python's manual repeat each other, and so do the descriptions of packages.
    """
    known = {line for name, text in documents() if is_unseen(name) for line in _lines(text)}
    for name, text in documents():
        if not is_unseen(name) and sum(line in known for line in _lines(text)) < LINES:
            yield name, text


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if len(line) >= LINE]


def documents() -> Iterator[tuple[str, str]]:
    """(name, text) of every document: modules of the standard library, the language manual, package descriptions."""
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py")):
        yield path.stem, path.read_text(encoding="utf-8", errors="replace")
    from pydoc_data import topics  # the language reference, as `help()` prints it

    yield from sorted(topics.topics.items())
    for package in sorted(distributions(), key=lambda d: d.name):
        text = (package.read_text("METADATA") or "").partition("\n\n")[2]
        if len(text) > 500 and not package.name.startswith(OWN):
            yield f"package {package.name}", text


def chunks(text: str, size: int) -> list[str]:
    """The text in pieces of at most `size` characters, cut at line ends where possible."""
    pieces, current = [], ""
    for line in text.splitlines(keepends=True):
        if current and len(current) + len(line) > size:
            pieces.append(current)
            current = ""
        current += line[:size]
    return [piece for piece in [*pieces, current] if piece.strip()]
