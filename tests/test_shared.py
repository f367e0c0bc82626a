import asyncio
import time

import pytest

from scanner_service.errors import ConfigError
from scanner_service.shared import CALL_SECONDS, PAUSE_SECONDS, Shared

SLACK = 0.05  # what a busy machine may add to the bound


class Clock:
    """Time that passes when it is told to."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def failures():
    return []


def using(url, failures, clock, work):
    """Run *work* with a `Shared` of its own loop, and close it."""

    async def run():
        shared = Shared(url, failures.append, clock)
        try:
            return await work(shared)
        finally:
            await shared.aclose()

    return asyncio.run(run())


async def ping(shared):
    return await shared.call("ping", lambda redis: redis.ping())


async def timed(shared):
    started = time.perf_counter()
    answer = await ping(shared)
    return answer, time.perf_counter() - started


def test_what_redis_answers_comes_back(redis_server, failures, clock):
    assert using(redis_server.url, failures, clock, ping) is True
    assert failures == []


def test_an_absent_redis_costs_one_failed_call_and_then_nothing(redis_server, failures, clock):
    redis_server.kill()

    async def work(shared):
        return [await timed(shared) for _ in range(100)]

    answers = using(redis_server.url, failures, clock, work)
    assert {answer for answer, _ in answers} == {None}
    assert failures == ["ping"]
    assert answers[0][1] < CALL_SECONDS + SLACK
    assert sum(seconds for _, seconds in answers[1:]) < SLACK


def test_a_stalled_redis_is_waited_for_no_longer_than_the_bound(redis_server, failures, clock):
    async def work(shared):
        await ping(shared)
        redis_server.stall(2)
        return await timed(shared)

    answer, seconds = using(redis_server.url, failures, clock, work)
    assert answer is None
    assert CALL_SECONDS * 0.9 < seconds < CALL_SECONDS + SLACK
    assert failures == ["ping"]


def test_an_address_that_accepts_and_says_nothing_is_given_up_in_time(failures, clock):
    async def say_nothing(reader, writer):
        await reader.read()  # until the other side hangs up
        writer.close()

    async def run():
        silent = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
        shared = Shared(f"redis://127.0.0.1:{silent.sockets[0].getsockname()[1]}", failures.append, clock)
        answer = await timed(shared)
        await shared.aclose()
        silent.close()
        return answer

    answer, seconds = asyncio.run(run())
    assert (answer, failures) == (None, ["ping"])
    assert seconds < CALL_SECONDS + SLACK


def test_after_a_pause_one_call_tries_while_the_others_go_on_without(redis_server, failures, clock):
    redis_server.kill()

    async def work(shared):
        await ping(shared)
        clock.now += PAUSE_SECONDS
        await asyncio.gather(*(ping(shared) for _ in range(50)))
        return list(failures)

    assert using(redis_server.url, failures, clock, work) == ["ping", "ping"]


def test_a_redis_that_is_back_is_used_again(redis_server, failures, clock):
    async def work(shared):
        redis_server.kill()
        without = await ping(shared)
        redis_server.start()
        clock.now += PAUSE_SECONDS
        return without, await ping(shared), await ping(shared)

    assert using(redis_server.url, failures, clock, work) == (None, True, True)


def test_a_late_answer_is_nobody_elses(redis_server, failures, clock):
    redis_server.command("SET", "first", "1")
    redis_server.command("SET", "second", "2")

    async def work(shared):
        await ping(shared)
        redis_server.stall(0.2)
        lost = await shared.call("get", lambda redis: redis.get("first"))
        await asyncio.sleep(0.3)
        clock.now += PAUSE_SECONDS
        return lost, await shared.call("get", lambda redis: redis.get("second"))

    assert using(redis_server.url, failures, clock, work) == (None, b"2")


def test_an_error_of_redis_is_a_failure_and_no_exception(redis_server, failures, clock, caplog):
    async def work(shared):
        return await shared.call("odd", lambda redis: redis.execute_command("NONSENSE", "a secret"))

    assert using(redis_server.url, failures, clock, work) is None
    assert failures == ["odd"]
    assert "a secret" not in str([vars(record) for record in caplog.records])


def test_without_the_variable_there_is_no_redis_and_with_it_there_is_one():
    assert Shared.load({}, print) is None
    assert isinstance(Shared.load({"SCANNER_REDIS_URL": "redis://localhost"}, print), Shared)


@pytest.mark.parametrize("url", ["http://user:secret@host", "nonsense:secret", "redis://host:secret", "redis:secret"])
def test_a_url_that_is_none_is_refused_without_repeating_it(url):
    with pytest.raises(ConfigError) as error:
        Shared(url, print)
    assert "SCANNER_REDIS_URL" in str(error.value)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    "url",
    ["redis://host?ssl_ca_certs=secret", "rediss://host?ssl_cert_reqs=secret", "unix:///redis.sock?colour=secret"],
)
def test_an_option_that_would_fail_every_call_is_refused_at_start(url):
    with pytest.raises(ConfigError, match=r"SCANNER_REDIS_URL: an option behind `\?`") as error:
        Shared(url, print)
    assert "secret" not in str(error.value)


def test_a_missing_package_is_said_at_start(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"'\.\[redis\]"):
        Shared("redis://localhost", print)
