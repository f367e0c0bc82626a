"""Files of weights in the work folder: never half a file, and each says of which rows it was made."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from training.rows import TRAINED


def checksum(work: Path) -> str:
    """Of the rows below *work* that are trained on; equal rows have equal files."""
    return hashlib.sha256(b"".join((work / "rows" / name).read_bytes() for name in TRAINED)).hexdigest()


@dataclass(frozen=True, slots=True)
class Kept:
    """
    One of them.

    Attributes:
        path: where it is, if it is.
        made_of: what its content follows from, as a checksum.
    """

    path: Path
    made_of: str

    def write(self, content: Mapping[str, Any]) -> None:
        """Replaces what is there."""
        partial = self.path.with_suffix(".partial")
        torch.save({"made_of": self.made_of, **content}, partial)
        partial.replace(self.path)

    def read(self) -> dict[str, Any] | None:
        """The content, if it is there and made of the same."""
        if not self.path.exists():
            return None
        content: dict[str, Any] = torch.load(self.path, weights_only=True, map_location="cpu")
        return content if content.get("made_of") == self.made_of else None

    def read_own(self) -> dict[str, Any] | None:
        """
        The content, if it is there.

        Raises:
            ValueError: it was made of something else, and took too long to make for being written over.
        """
        content = self.read()
        if content is None and self.path.exists():
            raise ValueError(f"{self.path}: made of other rows; give another `--work`, or delete it to begin anew")
        return content
