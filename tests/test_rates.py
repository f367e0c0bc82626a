import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner_service.errors import RateLimited, RequestTooLarge
from scanner_service.rates import Rates
from scanner_service.shared import Shared


class Clock:
    """Time that passes when it is told to."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def take(rates, name="a", count=1, taken=0):
    """Whether the tokens were there; if not, how many seconds to wait."""
    try:
        asyncio.run(rates.take(name, count, taken=taken))
    except RateLimited as error:
        return error.retry_after_seconds
    return True


def test_a_bucket_holds_a_minute_and_refills_evenly(clock):
    rates = Rates(60, {}, now=clock)
    assert [take(rates) for _ in range(61)] == [True] * 60 + [1]
    clock.now += 10
    assert [take(rates) for _ in range(11)] == [True] * 10 + [1]


def test_without_a_rate_anything_goes():
    rates = Rates(None, {"limited": 1})
    assert [take(rates, "free") for _ in range(1000)] == [True] * 1000
    assert [take(rates, "limited") for _ in range(2)] == [True, 60]


def test_a_rate_of_its_own_counts_in_place_of_the_common_one(clock):
    rates = Rates(1, {"own": 3}, now=clock)
    assert [take(rates, "own") for _ in range(4)] == [True, True, True, 20]
    assert [take(rates, "other") for _ in range(2)] == [True, 60]


def test_who_is_refused_loses_nothing(clock):
    rates = Rates(10, {}, now=clock)
    take(rates, count=6)
    assert [take(rates, count=5) for _ in range(5)] == [6] * 5
    assert take(rates, count=4) is True


def test_a_request_that_no_bucket_holds_is_too_large(clock):
    rates = Rates(10, {}, now=clock)
    with pytest.raises(RequestTooLarge):
        take(rates, count=10, taken=1)
    assert take(rates, count=9, taken=1) is True


@given(
    st.integers(1, 200),
    st.integers(1, 4),
    st.lists(st.tuples(st.floats(0, 30), st.integers(1, 200)), min_size=1, max_size=30),
)
def test_who_comes_back_when_told_is_served_and_never_more_than_the_rate_passes(rate, workers, requests):
    clock = Clock()
    rates = Rates(rate, {}, workers=workers, now=clock)
    began, passed = clock.now, 0
    for pause, wanted in requests:
        clock.now += pause
        count = min(wanted, rate)
        if (answer := take(rates, count=count)) is not True:
            assert 1 <= answer <= 60 * workers + 1
            clock.now += answer
            assert take(rates, count=count) is True
        passed += count
        assert passed <= rate + rate / workers * (clock.now - began) / 60 + 0.01


def test_a_batch_that_comes_back_when_told_is_served_whole(clock):
    rates = Rates(60, {}, now=clock)
    take(rates, count=58)
    assert take(rates) is True
    seconds = take(rates, count=9, taken=1)
    clock.now += seconds
    assert [take(rates), take(rates, count=9, taken=1)] == [True, True]


pytestmark = pytest.mark.usefixtures("patience")


def with_redis(url, work):
    async def run():
        failures = []
        shared = Shared(url, failures.append)
        try:
            return await work(shared, failures)
        finally:
            await shared.aclose()

    return asyncio.run(run())


async def attempts(rates, number):
    answers = await asyncio.gather(*(rates.take("a") for _ in range(number)), return_exceptions=True)
    return [answer for answer in answers if answer is not None]


def test_workers_and_replicas_share_one_bucket(redis_server):
    async def work(shared, failures):
        replicas = [Rates(30, {}, workers=2, shared=shared) for _ in range(3)]
        refused = [error for rates in replicas for error in await attempts(rates, 12)]
        return refused, failures

    refused, failures = with_redis(redis_server.url, work)
    assert failures == []
    assert [type(error) for error in refused] == [RateLimited] * 6
    assert {error.retry_after_seconds for error in refused} <= {1, 2}


def test_redis_refills_the_bucket_and_forgets_it_when_it_is_full(redis_server):
    async def work(shared, failures):
        rates = Rates(600, {}, shared=shared)
        await rates.take("a", 600)
        refused = await attempts(rates, 1)
        await asyncio.sleep(1.0)
        return refused, await attempts(rates, 9), failures

    refused, later, failures = with_redis(redis_server.url, work)
    assert [error.retry_after_seconds for error in refused] == [1]
    assert (later, failures) == ([], [])
    key = redis_server.command("KEYS", "*").split(b"\r\n")[2].decode()
    assert 58_000 < int(redis_server.command("PTTL", key)[1:]) <= 60_000


def test_redis_learns_no_name_of_a_key(redis_server):
    async def work(shared, failures):
        await Rates(10, {}, shared=shared).take("team-of-somebody")

    with_redis(redis_server.url, work)
    assert b"scanner:rate:" in redis_server.command("KEYS", "*")
    assert b"somebody" not in redis_server.command("KEYS", "*")


def test_without_an_answer_of_redis_the_worker_counts_alone(redis_server):
    redis_server.kill()

    async def work(shared, failures):
        return await attempts(Rates(5, {}, shared=shared), 8), failures

    refused, failures = with_redis(redis_server.url, work)
    assert len(refused) == 3
    assert set(failures) == {"rate"}


def test_a_bucket_that_somebody_broke_in_redis_stops_nobody(redis_server):
    async def work(shared, failures):
        rates = Rates(5, {}, shared=shared)
        await rates.take("a")
        key = redis_server.command("KEYS", "*").split(b"\r\n")[2].decode()
        redis_server.command("SET", key, "nonsense")
        return await attempts(rates, 6), failures

    refused, failures = with_redis(redis_server.url, work)
    assert len(refused) == 1
    assert set(failures) == {"rate"}


def test_a_clock_of_redis_that_is_set_back_keeps_nobody_waiting_for_it(redis_server):
    async def work(shared, failures):
        rates = Rates(60, {}, shared=shared)
        await rates.take("a")
        key = redis_server.command("KEYS", "*").split(b"\r\n")[2].decode()
        redis_server.command("SET", key, str(time.time() + 3600))  # as an hour ago would have been written
        return await attempts(rates, 1), failures

    [refused], failures = with_redis(redis_server.url, work)
    assert (refused.retry_after_seconds, failures) == (1, [])
