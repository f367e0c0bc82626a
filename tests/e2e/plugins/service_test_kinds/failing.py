"""Raises, with the text in the message, which must go nowhere."""

import msgspec


class Config(msgspec.Struct, forbid_unknown_fields=True):
    pass


class Failing:
    needs = ()

    def scan(self, text, context):
        raise RuntimeError(text.value)


def build(config, models):
    return Failing()
