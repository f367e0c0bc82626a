"""What code costs, on a machine that others use too."""

import time
from collections.abc import Callable


def least_seconds(
    work: Callable[[], object], *, enough: float = 0.0, runs: int = 4, clock: Callable[[], float] = time.thread_time
) -> float:
    """
    Seconds, of this thread's processor time unless *clock* is another, for one call of *work*: the least of several.

    A shared machine may slow down to a quarter for a second or two, so that one run says little and the best of some
    says what the code costs. The first run that takes no more than *enough* is the last one.
    """
    least = float("inf")
    for _ in range(runs):
        started = clock()
        work()
        least = min(least, clock() - started)
        if least <= enough:
            break
    return least
