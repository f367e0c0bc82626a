"""Takes its time, in a way that leaves the processor alone."""

import time
from dataclasses import dataclass

import msgspec


class Config(msgspec.Struct, forbid_unknown_fields=True):
    seconds: float


@dataclass
class Sleeping:
    seconds: float
    needs = ()

    def scan(self, text, context):
        time.sleep(self.seconds)
        return ()


def build(config, models):
    return Sleeping(config.seconds)
