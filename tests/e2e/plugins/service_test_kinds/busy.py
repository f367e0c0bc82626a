"""Keeps a processor busy in pure Python, as a long text does."""

import time
from dataclasses import dataclass

import msgspec


class Config(msgspec.Struct, forbid_unknown_fields=True):
    seconds: float


@dataclass
class Busy:
    seconds: float
    needs = ()

    def scan(self, text, context):
        end = time.thread_time() + self.seconds
        while time.thread_time() < end:
            sum(range(100))
        return ()


def build(config, models):
    return Busy(config.seconds)
