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
