import asyncio
import threading
import time

import numpy as np
import pytest

from scanner_service.errors import ModelError, Overloaded
from scanner_service.inference.batcher import MAX_FRESH_TEXTS, Batcher


class Model:
    """
    A model that says which value each row starts with, and remembers its runs.

    It waits in every run while it is `held`.
    """

    def __init__(self, seconds=0.0):
        self.seconds = seconds
        self.runs = []
        self.threads = set()
        self.free = threading.Event()
        self.free.set()

    def __call__(self, ids):
        self.runs.append(ids.copy())
        self.threads.add(threading.current_thread().name)
        time.sleep(self.seconds)
        assert self.free.wait(10)
        if (ids < 0).any():
            raise ValueError(f"the text was {ids}")
        return {"first": ids[:, :1].astype(np.float32)}

    def firsts(self):
        """The first values of each run so far."""
        return [run[:, 0].tolist() for run in self.runs]


def rows(value, count=1, tokens=4):
    return np.full((count, tokens), value, dtype=np.int64)


def firsts(outputs):
    return outputs["first"][:, 0].tolist()


def play(scene, model=None, **settings):
    """Run *scene* with a batcher over *model*, and close it."""

    async def with_batcher():
        batcher = Batcher(model or Model(), **settings)
        try:
            return await scene(batcher)
        finally:
            await batcher.aclose()

    return asyncio.run(with_batcher())


async def busy(batcher, model):
    """A task whose row is in the model, which is held there."""
    model.free.clear()
    task = batcher.submit(rows(99, tokens=3), firsts)
    await until(lambda: model.runs)
    return task


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)


def start(batcher, *many):
    return [batcher.submit(each, firsts) for each in many]


def test_each_caller_gets_the_outputs_of_its_own_rows_in_order():
    async def scene(batcher):
        many = [np.arange(i, i + n)[:, None] * np.ones(4, dtype=np.int64) for i, n in ((0, 1), (100, 50), (200, 7))]
        assert await asyncio.gather(*start(batcher, *many)) == [each[:, 0].tolist() for each in many]

    play(scene, max_run_tokens=32)


def test_what_waits_while_the_model_is_busy_is_the_next_batch():
    model = Model()

    async def scene(batcher):
        first = await busy(batcher, model)
        waiting = start(batcher, *(rows(value) for value in (1, 2, 3)))
        await until(lambda: batcher.queued_rows == 3)
        model.free.set()
        await asyncio.gather(first, *waiting)
        assert model.firsts() == [[99], [1, 2, 3]]

    play(scene, model)


def test_a_free_model_starts_at_once():
    async def scene(batcher):
        await batcher.submit(rows(0), firsts)
        started = time.perf_counter()
        for _ in range(20):
            await batcher.submit(rows(1), firsts)
        assert (time.perf_counter() - started) / 20 < 0.05

    play(scene)


def test_only_rows_of_equal_length_share_a_run():
    model = Model()

    async def scene(batcher):
        first = await busy(batcher, model)
        waiting = start(batcher, rows(1, tokens=4), rows(2, tokens=5), rows(3, tokens=4))
        await until(lambda: batcher.queued_rows == 3)
        model.free.set()
        assert await asyncio.gather(first, *waiting) == [[99], [1], [2], [3]]
        assert model.firsts() == [[99], [1, 3], [2]]

    play(scene, model)


@pytest.mark.parametrize(("budget", "sizes"), [(12, [3, 3, 1]), (4, [1] * 7), (1, [1] * 7), (1000, [7])])
def test_a_run_stays_within_its_budget_of_tokens(budget, sizes):
    model = Model()
    play(lambda batcher: batcher.submit(rows(1, count=7), firsts), model, max_run_tokens=budget)
    assert [len(run) for run in model.runs] == sizes


def test_a_short_text_waits_for_one_run_of_a_long_one():
    model = Model()

    async def scene(batcher):
        (long,) = start(batcher, rows(1, count=2000))
        await until(lambda: len(model.runs) > 5)
        model.free.clear()
        before = len(model.runs)
        (short,) = start(batcher, rows(2, tokens=3))
        await until(lambda: batcher.queued_rows % 4 == 1)
        model.free.set()
        assert await short == [2]
        at = next(index for index, run in enumerate(model.firsts()) if run == [2])
        assert at - before <= 1  # the run that was going on, and perhaps one that began before this scene held it
        assert not long.done()
        assert await long == [1] * 2000

    play(scene, model, max_run_tokens=16)


def test_a_stream_of_short_texts_leaves_a_long_one_every_other_run():
    model = Model()

    async def scene(batcher):
        first = await busy(batcher, model)
        tasks = start(batcher, rows(1, count=8), *(rows(value, tokens=5 + value) for value in range(2, 12)))
        await until(lambda: batcher.queued_rows == 18)
        model.free.set()
        await asyncio.gather(first, *tasks)
        order = [run[0] for run in model.firsts()[1:]]
        assert order == [1, 1, 2, 1, 3, 1, 4, 5, 6, 7, 8, 9, 10, 11]

    play(scene, model, max_run_tokens=8)


def test_long_texts_share_runs_row_by_row():
    model = Model()

    async def scene(batcher):
        first = await busy(batcher, model)
        tasks = start(batcher, rows(1, count=5), rows(2, count=3), rows(3, count=1))
        await until(lambda: batcher.queued_rows == 9)
        model.free.set()
        await asyncio.gather(first, *tasks)
        assert [sorted(run) for run in model.firsts()[1:]] == [[1, 1, 2, 3], [1, 1, 2, 2], [1]]

    play(scene, model, max_run_tokens=16)


def test_too_many_waiting_rows_are_refused_at_once():
    model = Model()

    async def scene(batcher):
        first = await busy(batcher, model)
        waiting = start(batcher, rows(1, count=9))
        await until(lambda: batcher.queued_rows == 9)
        with pytest.raises(Overloaded):
            await batcher.submit(rows(2, count=2), firsts)
        waiting += start(batcher, rows(3))
        model.free.set()
        assert await asyncio.gather(first, *waiting) == [[99], [1] * 9, [3]]
        assert await batcher.submit(rows(4, count=10), firsts) == [4] * 10

    play(scene, model, max_queued_rows=10)


@pytest.mark.parametrize("leaves", ["its turn", "its caller", "the batcher"])
def test_a_further_text_has_room_once_one_no_longer_waits_for_its_first_turn(leaves):
    model = Model()

    async def scene(batcher):
        first = await busy(batcher, model)
        waiting = start(batcher, *(rows(value, tokens=4 + value % 2) for value in range(MAX_FRESH_TEXTS - 1)))
        await asyncio.wait_for(batcher.room(), timeout=5)
        waiting += start(batcher, rows(1))
        room = asyncio.ensure_future(batcher.room())
        await asyncio.sleep(0.05)
        assert not room.done()
        if leaves == "its caller":
            waiting[0].cancel()
        elif leaves == "the batcher":
            closing = asyncio.ensure_future(batcher.aclose())
        else:
            model.free.set()
        await asyncio.wait_for(room, timeout=5)
        model.free.set()
        if leaves == "the batcher":
            await closing
        await asyncio.gather(first, *waiting, return_exceptions=True)

    play(scene, model)


def test_a_long_text_that_had_a_turn_takes_nobodys_room():
    model = Model()

    async def scene(batcher):
        long = start(batcher, *(rows(value, count=50) for value in range(MAX_FRESH_TEXTS)))
        await until(lambda: len(model.runs) > MAX_FRESH_TEXTS)
        model.free.clear()
        assert not any(task.done() for task in long)
        await asyncio.wait_for(batcher.room(), timeout=5)
        model.free.set()
        await asyncio.gather(*long)

    play(scene, model, max_run_tokens=16)


def test_a_caller_that_is_gone_leaves_the_queue():
    model = Model()

    async def scene(batcher):
        first = await busy(batcher, model)
        gone, stays = start(batcher, rows(1, count=5), rows(2))
        await until(lambda: batcher.queued_rows == 6)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        assert batcher.queued_rows == 1
        model.free.set()
        await asyncio.gather(first, stays)
        assert model.firsts() == [[99], [2]]

    play(scene, model)


def test_a_caller_that_goes_while_the_model_runs_takes_the_rest_of_its_rows_along():
    model = Model()

    async def scene(batcher):
        model.free.clear()
        (gone,) = start(batcher, rows(1, count=100))
        await until(lambda: model.runs)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        (stays,) = start(batcher, rows(2))
        model.free.set()
        assert await stays == [2]
        assert model.firsts() == [[1, 1], [2]]
        assert batcher.queued_rows == 0

    play(scene, model, max_run_tokens=8)


def test_a_text_that_had_a_turn_goes_on_when_the_only_fresh_one_is_just_cancelled():
    model = Model()

    async def scene(batcher):
        await busy(batcher, model)
        long, gone = start(batcher, rows(1, count=3), rows(2))
        assert [share.job.done for _ in range(2) for share in batcher._next_shares()] == [long, long]
        gone.cancel()  # nobody has heard of it yet
        assert [share.job.done for share in batcher._next_shares()] == [long]
        assert batcher.queued_rows == 1
        await asyncio.sleep(0)
        assert batcher.queued_rows == 0
        model.free.set()

    play(scene, model, max_run_tokens=4)


def test_a_deadline_takes_rows_out_of_the_queue():
    model = Model()

    async def scene(batcher):
        first = await busy(batcher, model)
        started = time.perf_counter()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await batcher.submit(rows(1), firsts)
        assert time.perf_counter() - started < 0.5
        assert batcher.queued_rows == 0
        model.free.set()
        await first

    play(scene, model)


def test_a_run_that_fails_fails_its_own_texts_alone():
    model = Model()

    async def scene(batcher):
        first = await busy(batcher, model)
        bad, alike, other = start(batcher, rows(-1), rows(1), rows(2, tokens=5))
        await until(lambda: batcher.queued_rows == 3)
        model.free.set()
        assert await first == [99]
        for failed in (bad, alike):
            with pytest.raises(ModelError, match=r"^the model could not run: ValueError$"):  # nothing of the text
                await failed
        assert await other == [2]
        assert await batcher.submit(rows(3), firsts) == [3]

    play(scene, model)


def test_a_long_text_that_fails_leaves_nothing_behind():
    model = Model()

    async def scene(batcher):
        with pytest.raises(ModelError):
            await batcher.submit(rows(-1, count=100), firsts)
        assert batcher.queued_rows == 0
        assert len(model.runs) == 1

    play(scene, model, max_run_tokens=8)


def test_what_goes_wrong_at_the_finish_of_one_text_is_its_own():
    def fail(outputs):
        raise KeyError("label")

    async def scene(batcher):
        bad = batcher.submit(rows(1), fail)
        (good,) = start(batcher, rows(2))
        with pytest.raises(ModelError):
            await bad
        assert await good == [2]

    play(scene)


def test_the_model_has_one_thread_and_the_event_loop_stays_free():
    model = Model(seconds=0.05)

    async def scene(batcher):
        tasks = start(batcher, *(rows(1, tokens=2 + value) for value in range(6)))
        ticks = 0
        while not all(task.done() for task in tasks):
            await asyncio.sleep(0.001)
            ticks += 1
        assert ticks > 30  # a loop that waits for the model would come round about six times
        assert len(model.threads) == 1

    play(scene, model)


def test_closing_lets_the_run_in_progress_end_and_refuses_the_rest():
    model = Model()

    async def scene(batcher):
        first = await busy(batcher, model)
        (waiting,) = start(batcher, rows(1))
        await until(lambda: batcher.queued_rows == 1)
        closing = asyncio.create_task(batcher.aclose())
        with pytest.raises(Overloaded):
            await waiting
        assert not closing.done()
        model.free.set()
        await closing
        assert await first == [99]
        with pytest.raises(Overloaded):
            await batcher.submit(rows(2), firsts)

    play(scene, model)


def test_closing_fails_a_long_text_in_the_middle():
    model = Model()

    async def scene(batcher):
        model.free.clear()
        (long,) = start(batcher, rows(1, count=100))
        await until(lambda: model.runs)
        closing = asyncio.create_task(batcher.aclose())
        await asyncio.sleep(0.01)
        model.free.set()
        with pytest.raises(Overloaded):
            await long
        await closing
        assert len(model.runs) == 1

    play(scene, model, max_run_tokens=8)


def test_the_rows_of_each_run_are_counted():
    counted, model = [], Model()

    async def scene(batcher):
        first = await busy(batcher, model)
        tasks = [batcher.submit(rows(number, count=2), firsts) for number in range(3)]
        await until(lambda: batcher.queued_rows == 6)
        model.free.set()
        await asyncio.gather(first, *tasks)

    play(scene, model, count=counted.append)
    assert counted == [1, 6]


def test_a_free_model_runs_a_row_in_the_thread_that_has_it():
    model, counted = Model(), []

    async def scene(batcher):
        said = await asyncio.to_thread(lambda: (batcher.at_once(rows(7), firsts), threading.current_thread().name))
        assert said == ([7.0], model.threads.pop())
        assert counted == [1]
        assert await batcher.submit(rows(1), firsts) == [1]

    play(scene, model, count=counted.append)


def test_nothing_runs_at_once_beside_a_run_or_before_what_waits():
    model = Model()

    async def scene(batcher):
        first = await busy(batcher, model)
        assert await asyncio.to_thread(batcher.at_once, rows(1), firsts) is None
        waiting = start(batcher, rows(2), rows(3))
        model.free.set()
        while not all(one.done() for one in waiting):
            assert not batcher.queued_rows or batcher.at_once(rows(4), firsts) is None
            await asyncio.sleep(0)
        assert model.firsts() == [[99], [2, 3]]
        await first

    play(scene, model)


def test_what_comes_while_a_row_runs_at_once_waits_for_it():
    model = Model()

    async def scene(batcher):
        model.free.clear()
        one = asyncio.ensure_future(asyncio.to_thread(batcher.at_once, rows(1), firsts))
        await until(lambda: model.runs)
        (two,) = start(batcher, rows(2))
        await asyncio.sleep(0.05)
        assert model.firsts() == [[1]]
        model.free.set()
        assert await asyncio.wait_for(asyncio.gather(one, two), timeout=5) == [[1], [2]]

    play(scene, model)


def test_runs_at_once_and_in_turn_never_overlap_and_none_is_forgotten():
    inside, most = 0, 0

    def model(ids):
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        time.sleep(0.0001)
        inside -= 1
        return {"first": ids[:, :1].astype(np.float32)}

    async def one(batcher, value):
        said = await asyncio.to_thread(batcher.at_once, rows(value), firsts)
        return said or await batcher.submit(rows(value), firsts)

    async def scene(batcher):
        values = range(1, 301)
        async with asyncio.timeout(20):
            assert await asyncio.gather(*(one(batcher, value) for value in values)) == [[value] for value in values]
        assert most == 1

    play(scene, model)


def test_a_row_that_fails_at_once_fails_alone():
    async def scene(batcher):
        with pytest.raises(ModelError, match=r"^the model could not run: ValueError$"):
            await asyncio.to_thread(batcher.at_once, rows(-1), firsts)
        assert await asyncio.to_thread(batcher.at_once, rows(1), firsts) == [1]

    play(scene)


def test_nothing_runs_at_once_in_a_closed_batcher():
    model = Model()

    async def scene(batcher):
        await batcher.aclose()
        assert batcher.at_once(rows(1), firsts) is None
        assert not model.runs

    play(scene, model)
