"""When Python looks for garbage in a worker: while nobody waits, if that can be."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable

# A look takes the longer the more objects there are, and everybody waits for it; by default Python looks several times
# a second in a worker that is full of requests. Little depends on it, transports of closed connections above all; so it
# is done in quiet moments, and otherwise after so many new objects.
THRESHOLDS = (100_000, 1, 1)

SECONDS = 1.0  # between looks at what is young
LOOKS = 60  # of which the last is at everything


def begin() -> None:
    """Called when everything is loaded: that stays, and need not be looked through again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)


async def collect(is_idle: Callable[[], bool]) -> None:
    """Collect in the moments when the worker *is_idle*, as long as it lives."""
    looks = 0
    while True:
        await asyncio.sleep(SECONDS)
        if is_idle():
            looks += 1
            gc.collect(1 if looks % LOOKS else 2)
