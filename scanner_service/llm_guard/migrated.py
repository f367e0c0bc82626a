"""What a `scanners.yml` becomes, and how that is written down."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from scanner_service.llm_guard.notes import Said

_WIDTH = 118


@dataclass(frozen=True, slots=True)
class Part:
    """Something of the file: the settings or the rule that it becomes, if any, and what there is to say about it."""

    content: Mapping[str, Any]
    said: Sequence[Said] = ()


@dataclass(frozen=True, slots=True)
class Migrated:
    """
    What a file becomes.

    Attributes:
        settings: of the whole service.
        chains: by direction, a part for each scanner, in order.
    """

    settings: Part
    chains: Mapping[str, Sequence[Part]]

    @property
    def said(self) -> list[Said]:
        """Everything that is not the same here."""
        parts = (self.settings, *(part for chain in self.chains.values() for part in chain))
        return [said for part in parts for said in part.said]

    @property
    def loses(self) -> bool:
        """Whether something blocks or redacts there that nothing here does."""
        return any(said.note.lost for said in self.said)

    def as_yaml(self) -> str:
        """The configuration, with what there is to say as comments."""
        lines = [
            "# Made by `scanner-service migrate` from a scanners.yml of LLM Guard.",
            *_comments(self.settings.said),
        ]
        lines += [_dump(self.settings.content, flow=False), "policies:", "  default:"]
        for direction, chain in self.chains.items():
            lines.append(f"    {direction}:")
            for part in chain:
                written = [*_comments(part.said), *([_dump([part.content])] if part.content else [])]
                lines.append(textwrap.indent("\n".join(written), " " * 6))
        return "\n".join(line for line in lines if line) + "\n"


def _comments(said: Sequence[Said]) -> list[str]:
    return [
        line
        for each in said
        for line in textwrap.wrap(str(each), _WIDTH - 8, initial_indent="# ", subsequent_indent="#   ")
    ]


class _Dumper(yaml.SafeDumper):
    """Writes out what occurs twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _dump(content: Any, *, flow: bool | None = None) -> str:
    """*content* as YAML; what holds no other lists and mappings takes a line of its own, unless *flow* forbids it."""
    written: str = yaml.dump(
        content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH - 12, default_flow_style=flow
    )
    return written.rstrip("\n")
