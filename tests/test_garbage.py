import asyncio
import gc
import weakref

import pytest

from scanner_service import garbage


class Ring:
    """Refers to itself: only the collector finds that nobody else does."""

    def __init__(self):
        self.ring = self


@pytest.fixture(autouse=True)
def _as_before():
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


def seen(monkeypatch, *, is_idle, seconds=0.2, looks=1_000_000):
    """Whether a ring was found while the collector of a worker ran."""
    monkeypatch.setattr(garbage, "SECONDS", 0.01)
    monkeypatch.setattr(garbage, "LOOKS", looks)

    async def scene():
        task = asyncio.create_task(garbage.collect(lambda: is_idle))
        await asyncio.sleep(seconds)
        task.cancel()

    garbage.begin()
    young, old = Ring(), Ring()
    found_young, found_old = weakref.ref(young), weakref.ref(old)
    gc.collect(1)  # both are old now
    young = Ring()
    found_young = weakref.ref(young)
    del young, old
    asyncio.run(scene())
    return found_young() is None, found_old() is None


def test_what_is_young_is_collected_when_the_worker_is_idle(monkeypatch):
    assert seen(monkeypatch, is_idle=True) == (True, False)


def test_everything_is_collected_now_and_then(monkeypatch):
    assert seen(monkeypatch, is_idle=True, looks=3) == (True, True)


def test_nothing_is_collected_while_somebody_waits(monkeypatch):
    assert seen(monkeypatch, is_idle=False) == (False, False)


def test_what_was_loaded_is_not_looked_through():
    loaded = Ring()
    found = weakref.ref(loaded)
    garbage.begin()
    del loaded
    gc.collect()
    assert found() is not None


def test_many_objects_are_collected_though_nobody_is_idle():
    garbage.begin()
    ring = Ring()
    found = weakref.ref(ring)
    del ring
    kept = [[] for _ in range(garbage.THRESHOLDS[0] + 1_000)]
    assert found() is None
    assert kept
