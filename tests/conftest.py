"""What many tests share: a scanner that finds words, and rules around it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from scanner_service.findings import Action, Finding
from scanner_service.policy import Rule
from scanner_service.scanner import Context, Need
from scanner_service.text import Span, Text
from tests.redis_server import RedisServer

# Machines are shared: what must be fast has a test of its own. A commit is tried with the same examples each time, for
# what fails is to have failed by a change; `make fuzz` looks for others.
settings.register_profile("house", deadline=None, derandomize=True)
settings.register_profile("fuzz", deadline=None, max_examples=1_000)
settings.load_profile("house")


@dataclass(frozen=True)
class WordScanner:
    """Finds every occurrence of one word, with one score."""

    word: str
    label: str = "WORD"
    score: float = 1.0
    needs: Sequence[Need] = ()

    def scan(self, text: Text, context: Context) -> Iterator[Finding]:
        for match in re.finditer(re.escape(self.word), text.value):
            yield Finding(self.label, self.score, Span(*match.span()))


@pytest.fixture
def word_rule() -> Any:
    """Makes a rule that acts on a word."""

    def make(word: str, action: Action = Action.BLOCK, **settings: Any) -> Rule:
        scanner = WordScanner(
            word, settings.pop("label", "WORD"), settings.pop("score", 1.0), settings.pop("needs", ())
        )
        return Rule(name=settings.pop("name", word), kind="word", scanner=scanner, action=action, **settings)

    return make


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis of this test's own."""
    server = RedisServer(tmp_path)
    yield server
    server.kill()


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis is waited for as long as a busy machine needs, where it matters what it answers and not when."""
    monkeypatch.setattr("scanner_service.shared.CALL_SECONDS", 5.0)
