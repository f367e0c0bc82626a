import asyncio
import time

import pytest
from starlette.datastructures import Headers

from scanner_service.errors import (
    BodyTimeout,
    CallerGone,
    InvalidRequest,
    Overloaded,
    RequestTooLarge,
    UnsupportedMediaType,
)
from scanner_service.http.limits import Admission, check_media_type, read_body, unless_gone


def receiver(*messages, then=None):
    """Gives *messages* one by one; afterwards waits for ever, or gives *then*."""
    left = list(messages)

    async def receive():
        if left:
            return left.pop(0)
        if then is not None:
            return then
        return await asyncio.get_running_loop().create_future()

    return receive


def chunk(body, *, more=True):
    return {"type": "http.request", "body": body, "more_body": more}


GONE = {"type": "http.disconnect"}


def read(receive, max_bytes=10, seconds=0.1, **headers):
    return asyncio.run(
        read_body(receive, Headers({k.replace("_", "-"): v for k, v in headers.items()}), max_bytes, seconds)
    )


def test_a_body_is_its_chunks():
    assert read(receiver(chunk(b"ab"), chunk(b""), chunk(b"cd", more=False))) == b"abcd"


def test_a_body_at_the_limit_is_read():
    assert read(receiver(chunk(b"0123456789", more=False)), content_length="10") == b"0123456789"


def test_an_announced_size_is_refused_before_anything_is_read():
    async def receive():
        raise AssertionError("nothing is to be read")

    with pytest.raises(RequestTooLarge):
        read(receive, content_length="11")


@pytest.mark.parametrize("announced", [{}, {"content_length": "5"}, {"content_length": "nonsense"}])
def test_a_size_that_was_not_announced_is_refused_when_it_shows(announced):
    with pytest.raises(RequestTooLarge):
        read(receiver(*[chunk(b"0123")] * 3), **announced)


def test_a_body_that_does_not_end_ends_in_time():
    started = time.perf_counter()
    with pytest.raises(BodyTimeout):
        read(receiver(chunk(b"a")))
    assert 0.1 <= time.perf_counter() - started < 0.5


def test_a_body_that_drips_ends_in_time():
    async def receive():
        await asyncio.sleep(0.02)
        return chunk(b"")

    with pytest.raises(BodyTimeout):
        read(receive)


def test_a_caller_that_hangs_up_is_gone():
    with pytest.raises(CallerGone):
        read(receiver(chunk(b"a"), GONE))


@pytest.mark.parametrize(
    "type_",
    ["application/json", "Application/JSON", "application/json; charset=utf-8", 'application/json;charset="UTF-8"'],
)
def test_json_is_taken(type_):
    check_media_type(Headers({"content-type": type_}), "application/json")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": ""},
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "application/jsonp"},
        {"content-type": "application/json; charset=utf-16"},
        {"content-type": "application/json", "content-encoding": "gzip"},
    ],
)
def test_anything_else_is_not(headers):
    with pytest.raises(UnsupportedMediaType):
        check_media_type(Headers(headers), "application/json")


def test_a_place_is_free_again_whatever_happened_to_the_request():
    admission = Admission(1)
    with pytest.raises(InvalidRequest), admission.admit():
        raise InvalidRequest("why")
    with admission.admit():
        with pytest.raises(Overloaded), admission.admit():
            pass
    assert admission.admitted == 0


def test_work_whose_caller_is_gone_is_cancelled():
    async def run():
        cancelled = asyncio.Event()

        async def work():
            try:
                await asyncio.sleep(10)
            except asyncio.CancelledError:
                cancelled.set()
                raise

        with pytest.raises(CallerGone):
            await unless_gone(work(), receiver(chunk(b"", more=False), then=GONE))
        await asyncio.wait_for(cancelled.wait(), 1)

    asyncio.run(run())


def test_a_task_whose_caller_has_gone_can_go_on():
    async def run():
        with pytest.raises(CallerGone):
            await unless_gone(asyncio.sleep(10), receiver(then=GONE))
        await asyncio.sleep(0.01)  # to count and to log, for one
        return asyncio.current_task().cancelling()

    assert asyncio.run(run()) == 0


def test_a_caller_who_goes_after_the_work_is_done_cancels_nothing():
    async def run():
        gone = asyncio.Event()

        async def receive():
            await gone.wait()
            return GONE

        async def work():
            gone.set()
            return "done"

        assert await unless_gone(work(), receive) == "done"
        await asyncio.sleep(0.01)

    asyncio.run(run())


def test_who_cancels_the_task_is_not_told_of_a_caller():
    async def run():
        task = asyncio.ensure_future(unless_gone(asyncio.sleep(10), receiver()))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())


def test_work_that_ends_gives_its_result_or_its_error():
    async def work(fails):
        await asyncio.sleep(0)
        if fails:
            raise InvalidRequest("why")
        return "done"

    assert asyncio.run(unless_gone(work(fails=False), receiver())) == "done"
    with pytest.raises(InvalidRequest):
        asyncio.run(unless_gone(work(fails=True), receiver()))
