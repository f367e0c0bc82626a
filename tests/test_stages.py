import time

import pytest

from scanner_service.stages import Stage, Stopwatch, together


def test_a_stage_ends_when_its_seconds_are_over():
    assert Stage("judge", 10**18, 1.5).ended_ns == 10**18 + 1_500_000_000


def test_stages_of_one_name_begin_with_the_first_of_them_and_take_as_long_as_all():
    before = together({}, [Stage("prepare", 100, 1.0), Stage("judge", 200, 0.5)])
    both = together(before, [Stage("prepare", 900, 0.25), Stage("prepare", 950, 0.25), Stage("sanitize", 990, 0.125)])
    assert list(both.values()) == [
        Stage("prepare", 100, 1.5),
        Stage("judge", 200, 0.5),
        Stage("sanitize", 990, 0.125),
    ]
    assert before == {"prepare": Stage("prepare", 100, 1.0), "judge": Stage("judge", 200, 0.5)}


def test_a_stopwatch_goes_on_from_lap_to_lap():
    before, began = time.time_ns(), time.perf_counter()
    watch = Stopwatch()
    time.sleep(0.02)
    watch.lap("one")
    time.sleep(0.01)
    watch.lap("two")
    one, two = watch.stages
    assert (one.name, two.name) == ("one", "two")
    assert before <= one.started_ns <= time.time_ns()
    assert one.seconds >= 0.02
    assert two.seconds >= 0.01
    assert two.started_ns == pytest.approx(one.ended_ns, abs=1_000)
    assert 0.03 <= one.seconds + two.seconds <= watch.seconds <= time.perf_counter() - began
