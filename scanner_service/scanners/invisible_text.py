"""Kind `invisible_text`: characters that a person does not see and a model reads."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from scanner_service.findings import Finding
from scanner_service.scanner import Context, ModelInfo, Need
from scanner_service.text import Text
from scanner_service.views import invisible_runs


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Options of the kind.

    Attributes:
        soft_hyphens: whether soft hyphens count even where a word may break.
    """

    soft_hyphens: bool = False


@dataclass(frozen=True, slots=True)
class InvisibleText:
    """Reports each run of invisible characters that have no business where they stand."""

    soft_hyphens: bool
    needs: Sequence[Need] = ()
    labels: Collection[str] = ("INVISIBLE",)

    def scan(self, text: Text, context: Context) -> Iterator[Finding]:
        """One finding for each run, covering it exactly."""
        for span in invisible_runs(text.value, soft_hyphens=self.soft_hyphens):
            yield Finding("INVISIBLE", 1.0, span)


def build(config: Config, models: Mapping[str, ModelInfo]) -> InvisibleText:
    """Make the scanner."""
    return InvisibleText(config.soft_hyphens)
