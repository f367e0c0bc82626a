"""What an answer took its time for."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Stage:
    """
    One stretch of the way to an answer.

    Attributes:
        name: what was done, or waited for; one of a few words of the service.
        started_ns: when it began, in nanoseconds of the wall clock since 1970.
        seconds: how long it took, by a clock that nobody sets.
    """

    name: str
    started_ns: int
    seconds: float

    @property
    def ended_ns(self) -> int:
        """When it ended, likewise."""
        return self.started_ns + round(self.seconds * 1e9)


class Stopwatch:
    """
    Cuts the time from now on into stages, each of which begins where the one before it ended.

    Attributes:
        stages: those that have ended.
    """

    def __init__(self) -> None:
        self.stages: list[Stage] = []
        self._started = self._at = time.perf_counter_ns()
        self._to_wall_clock = time.time_ns() - self._started

    @property
    def seconds(self) -> float:
        """The time since it was made."""
        return (time.perf_counter_ns() - self._started) / 1e9

    def lap(self, name: str) -> None:
        """The stage *name* ends here."""
        now = time.perf_counter_ns()
        self.stages.append(Stage(name, self._at + self._to_wall_clock, (now - self._at) / 1e9))
        self._at = now


def together(before: Mapping[str, Stage], stages: Iterable[Stage]) -> dict[str, Stage]:
    """By name, *before* and *stages*: each from when it first began, with the time of all of its name."""
    merged = dict(before)
    for stage in stages:
        known = merged.get(stage.name)
        merged[stage.name] = stage if known is None else replace(known, seconds=known.seconds + stage.seconds)
    return merged
