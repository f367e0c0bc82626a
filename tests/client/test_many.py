"""Many texts at once, and what the client tells about them."""

from __future__ import annotations

import asyncio
import sys
import threading
import time

import pytest

from scanner_client import InvalidRequest, PromptAnalysis, Unavailable, UnexpectedAnswer, many
from scanner_client.answers import read_batch
from scanner_client.testing import Answer, FakeScanner, blocked, failing
from scanner_client.usage import RECENT_CALLS, Usage
from tests.client.conftest import ATTACK, HARMLESS

FINE = {"is_valid": True, "blocked": False, "scanners": {}, "sanitized_prompt": "fine"}


def scanner():
    return FakeScanner({"attack": blocked("prompt_injection"), "down": failing(500)})


def check(answers):
    kinds = [type(answer) for answer in answers]
    assert kinds == [PromptAnalysis, PromptAnalysis, Unavailable, InvalidRequest] * 5
    assert [answer.is_valid for answer in answers] == [True, False, False, False] * 5


def test_many_prompts_are_answered_in_order_with_failures_as_values():
    prompts = ["hello", "attack", "down", 5] * 5
    check(scanner().client(max_retries=0).analyze_many(prompts, max_workers=3))
    check(asyncio.run(scanner().async_client(max_retries=0).analyze_many(iter(prompts), max_workers=3)))


def test_a_failure_that_is_kept_does_not_keep_its_text():
    failure = scanner().client(max_retries=0).analyze_many(["down"])[0]
    twin = asyncio.run(scanner().async_client(max_retries=0).analyze_many(["down"]))[0]
    excused = scanner().client(max_retries=0, on_unavailable="block").analyze_many(["down"])[0].failure
    assert [failure.__traceback__, twin.__traceback__, excused.__traceback__] == [None, None, None]


def test_many_prompts_go_to_the_real_application(client, with_async_client):
    prompts = [HARMLESS, ATTACK] * 4

    async def use(twin):
        return await twin.analyze_many(prompts)

    for answers in (client.analyze_many(prompts), with_async_client(use)):
        assert [answer.is_valid for answer in answers] == [True, False] * 4


@pytest.mark.parametrize("results", [[], [FINE], [FINE] * 3, {"0": FINE}, None])
def test_a_batch_of_another_length_is_no_answer(results):
    assert len(read_batch({"results": [FINE] * 2}, 2)) == 2
    with pytest.raises(UnexpectedAnswer):
        read_batch({"results": results}, 2)


def test_no_prompts_give_no_answers():
    assert scanner().client().analyze_many([]) == []
    assert asyncio.run(scanner().async_client().analyze_many([])) == []


@pytest.mark.parametrize("name", ["max_workers", "max_requests_per_minute"])
@pytest.mark.parametrize("number", [0, -3])
def test_nobody_to_ask_is_no_answer(name, number):
    with pytest.raises(ValueError, match=f"{name} must be 1 or more"):
        scanner().client().analyze_many(["attack"], **{name: number})
    with pytest.raises(ValueError, match=f"{name} must be 1 or more"):
        asyncio.run(scanner().async_client().analyze_many(["attack"], **{name: number}))


def test_no_more_requests_run_at_a_time_than_there_are_workers():
    running, most, lock = 0, 0, threading.Lock()

    def work(item):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.005)
        with lock:
            running -= 1
        return item

    assert many.in_threads(work, range(40), 4, progress=False) == list(range(40))
    assert most == 4


def test_an_error_of_the_items_ends_it_all():
    def items():
        yield "hello"
        raise OSError("the file is gone")

    with pytest.raises(OSError, match="the file is gone"):
        scanner().client().analyze_many(items())
    with pytest.raises(OSError, match="the file is gone"):
        asyncio.run(scanner().async_client().analyze_many(items()))


def test_the_rate_limits_requests_retries_included(monkeypatch):
    pyrate_limiter = pytest.importorskip("pyrate_limiter")
    rate = pyrate_limiter.Rate
    monkeypatch.setattr(pyrate_limiter, "Rate", lambda limit, minute: rate(limit, int(minute) // 60))
    fake = FakeScanner(lambda text: failing(503) if text == "down" else Answer())
    for use in (
        lambda prompts: fake.client(max_retries=1).analyze_many(prompts, max_requests_per_minute=10),
        lambda prompts: asyncio.run(fake.async_client(max_retries=1).analyze_many(prompts, max_requests_per_minute=10)),
    ):
        started = time.monotonic()
        use(["hello"] * 8 + ["down"])  # 10 requests
        assert time.monotonic() - started < 0.9 + 0.1
        started = time.monotonic()
        use(["hello"] * 10 + ["down"])  # 12 requests
        assert time.monotonic() - started >= 0.9


class Terminal:
    def __init__(self):
        self.written = ""

    def isatty(self):
        return True

    def write(self, text):
        self.written += text

    def flush(self):
        pass


def test_progress_shows_on_a_terminal_only(monkeypatch, capsys):
    pytest.importorskip("tqdm")
    scanner().client().analyze_many(["a", "b"], progress=True)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys, "stderr", Terminal())
    scanner().client().analyze_many(["a", "b"], progress=True)
    assert "2/2" in sys.stderr.written


def test_extras_that_are_missing_are_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyrate_limiter", None)
    monkeypatch.setitem(sys.modules, "tqdm", None)
    with pytest.raises(ImportError, match=r"scanner_client\[rate-limit\]"):
        scanner().client().analyze_many(["a"], max_requests_per_minute=5)
    monkeypatch.setattr(sys, "stderr", Terminal())
    with pytest.raises(ImportError, match=r"scanner_client\[progress\]"):
        scanner().client().analyze_many(["a"], progress=True)


def test_usage_tells_counts_rates_and_times_in_words_and_numbers():
    client = scanner().client(max_retries=1)
    client.analyze_many(["hello", "hello", "hello", "attack", "down"])
    told = client.usage.as_dict()
    assert told["calls"] == told["texts"] == 5
    assert (told["scanned"], told["blocked"], told["block_rate"]) == (4, 1, 0.25)
    assert told["failures"] == {"Unavailable": 1}
    assert told["retries"] == 1
    assert 0 < told["p50_seconds"] <= told["p95_seconds"] <= told["p99_seconds"]
    words = str(client.usage)
    assert "5 calls, 5 texts; 1 of 4 scanned were blocked (25.0%); failed: 1 Unavailable; 1 retries; mean" in words


def test_percentiles_are_those_of_the_latest_calls():
    usage = Usage()
    assert usage.percentile(0.5) == 0
    for seconds in range(1, 101):
        usage.record([], float(seconds))
    assert [usage.percentile(share) for share in (0, 0.5, 0.95, 0.99, 1)] == [1, 50, 95, 99, 100]
    for _ in range(RECENT_CALLS):
        usage.record([], 0.5)
    assert usage.percentile(1) == 0.5
    assert usage.as_dict()["mean_seconds"] == pytest.approx((5050 + 0.5 * RECENT_CALLS) / (100 + RECENT_CALLS))
