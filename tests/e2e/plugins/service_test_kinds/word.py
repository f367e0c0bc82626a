"""Finds a word."""

import re
from dataclasses import dataclass

import msgspec

from scanner_service.findings import Finding
from scanner_service.text import Span


class Config(msgspec.Struct, forbid_unknown_fields=True):
    word: str
    label: str = "WORD"


@dataclass
class Word:
    config: Config
    needs = ()

    def scan(self, text, context):
        for match in re.finditer(re.escape(self.config.word), text.value):
            yield Finding(self.config.label, 1.0, Span(*match.span()))


def build(config, models):
    return Word(config)
