"""When a text that needs models is worth preparing."""

import asyncio

from scanner_service.inference.batcher import MAX_FRESH_TEXTS


def test_there_is_room_in_a_pool_once_few_texts_wait_for_each_model(play):
    async def scene(pool):
        await asyncio.wait_for(pool.room(["tiny", "unheard"]), 5)
        # Of different lengths, so that none shares a run.
        readings = [pool.read("tiny", "hello " * words) for words in range(1, 3 * MAX_FRESH_TEXTS)]
        asked = [asyncio.create_task(pool.predict("tiny", reading)) for reading in readings]
        await asyncio.sleep(0)
        room = asyncio.create_task(pool.room(["tiny"]))
        await asyncio.sleep(0)
        assert not room.done()
        await asyncio.wait_for(pool.room(["unheard"]), 5)
        await asyncio.gather(*asked)
        await asyncio.wait_for(room, 5)

    play(scene)


def test_a_text_that_has_to_wait_is_counted_when_its_turn_is_asked_for_and_not_before(play):
    counts = []

    async def scene(pool):
        long, short = pool.read("tiny", "hello " * 5_000), pool.read("tiny", "hello")
        asked = asyncio.create_task(pool.predict("tiny", long))
        await asyncio.sleep(0)
        assert pool.predict_at_once("tiny", short) is None
        asked.cancel()
        await pool.predict("tiny", short)
        return [windows for _, per, windows in counts if per == "text"], len(long.rows)

    told, windows = play(scene, count=lambda *one: counts.append(one))
    assert told == [windows, 1]
