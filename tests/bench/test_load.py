"""The callers of the load bench against a running server, and what the bench makes of what they saw."""

import os

import pytest

from bench import callers, load, soak
from bench.serving import Server
from tests.e2e.conftest import KEY, configured, running, word

TEXTS = callers.Texts(["one", "two", "ATTACK"], 6)


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    folder = tmp_path_factory.mktemp("load")
    sleeping = {"name": "brief", "kind": "sleeping", "options": {"seconds": 0.05}}
    with running(folder, configured(folder, {"default": [word("ATTACK"), sleeping]}, limits=LIMITS)) as server:
        yield server.port


LIMITS = {"max_concurrent_requests": 4}


def test_texts_have_their_length_and_do_not_come_twice():
    texts = callers.Texts([str(number) for number in range(100)], 32)
    drawn = [texts.draw() for _ in range(1000)]
    assert {len(text.split()) for text in drawn} == {32}
    assert len(set(drawn)) == 1000


def test_callers_in_turns_are_as_many_as_they_should_be(port):
    one, four = (callers.in_turns(port, KEY, TEXTS, count, 0.5) for count in (1, 4))
    assert set(one.waited_ms) == set(four.waited_ms) == {200}
    assert min(one.waited_ms[200]) < 4 * 50
    assert 0 < one.cpu_share < 1


def test_what_is_too_much_for_the_server_is_seen_as_refused(port):
    seen = callers.at_rate(port, KEY, TEXTS, 300, 0.5)
    assert seen.waited_ms[503]
    assert seen.waited_ms[200]
    made = load.row(seen, [0.5])
    assert made["statuses"] == {status: made["statuses"][status] for status in ("200", "503")}
    assert made["p50_ms"] <= made["p99_ms"]
    assert made["per_second"] == round(len(seen.waited_ms[200]) / seen.seconds, 1)


def test_health_is_asked_for_all_the_time(port):
    assert len(callers.is_alive(port, 0.3)) >= 3


def test_mixed_load_gets_the_answers_it_deserves(port):
    counts = soak.call(port, KEY, ["one", "two"], 2.0)
    expected = {
        "not JSON": {"400"},
        "wrong field": {"422"},
        "wrong key": {"401"},
        "too large": {"413"},
        "not HTTP": {"400", "414"},  # its line may be too long to be read
    }
    for kind, statuses in expected.items():
        assert set(counts[kind]) <= statuses | {"503"}, kind
    for kind in set(soak.KINDS) - set(expected) - {"broken off"}:
        assert set(counts[kind]) <= {"200", "503"}, kind
    assert set(counts["broken off"]) == {"closed"}
    assert sum(sum(counted.values()) for counted in counts.values()) > 30


@pytest.mark.parametrize(("slope", "flat"), [(0.0, True), (0.1, True), (3.0, False)])
def test_memory_that_grows_after_the_warm_up_is_not_flat(slope, flat):
    samples = [
        {"seconds": 5 * at, "resident_mib": [200 + min(at, 20), 200 + min(at, 20) + slope * 5 * at / 60]}
        for at in range(121)
    ]
    judged = soak.judge(samples)
    assert [one["flat"] for one in judged["memory"]] == [True, flat]
    assert judged["flat"] is flat
    assert judged["memory"][1]["slope_mib_per_minute"] == pytest.approx(slope, abs=0.001)


@pytest.mark.parametrize(("share", "expected"), [(0.5, 51), (0.99, 100), (1.0, 100)])
def test_quantiles(share, expected):
    assert load.quantile(range(1, 101), share) == expected
    assert load.quantile([], share) is None


def test_what_a_process_takes_is_read():
    server = Server(0, (os.getpid(),))
    assert server.resident_mib()[0] > 5
    assert server.cpu_seconds()[0] > 0
