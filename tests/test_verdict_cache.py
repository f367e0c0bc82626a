import asyncio
import contextlib
import threading
from dataclasses import replace

import pytest

from scanner_service import verdict_cache
from scanner_service.engine import Engine
from scanner_service.errors import DeadlineExceeded, Overloaded
from scanner_service.findings import Action, Finding
from scanner_service.scanner import Need, Prediction
from scanner_service.shared import Shared
from scanner_service.substitutes import Substitutes
from scanner_service.testing import FakeModels
from scanner_service.text import Span
from scanner_service.verdict_cache import VerdictCache

KEY, OTHER_KEY = b"k" * 32, b"o" * 32
SCOPE = ("team-a", "default", "digest-1", "prompt")
NEED = Need("names", "raw")


class Clock:
    """Time that passes when it is told to."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class Names:
    """Redacts what the model finds."""

    needs = (NEED,)

    def scan(self, text, context):
        for view, predictions in context.predictions[NEED]:
            for one in predictions:
                yield Finding(one.label, one.score, view.to_original(one.span))


def find_ada(text):
    at = text.find("Ada")
    return [] if at < 0 else [Prediction("PERSON", 0.9, Span(at, at + 3))]


class Room:
    """A cache before an engine whose model notes what it is asked."""

    def __init__(self, rule, predict=find_ada, *, shared=None, clock=None, key=KEY, **limits):
        self.models = FakeModels({"names": predict})
        self.counted = []
        self.rules = (replace(rule, scanner=Names(), name="person", action=Action.REDACT),)
        self.engine = Engine(self.models, 5)
        self.cache = VerdictCache(
            self.engine,
            key,
            **({"entries": 100, "max_bytes": 100_000, "seconds": 60} | limits),
            count=lambda *level: self.counted.append(level),
            shared=shared,
            now=clock or Clock(),
        )

    async def scan(self, text, scope=SCOPE, *, rules=None, prompt=None, known=None, fail_fast=False):
        substitutes = Substitutes(text, known)
        return await self.cache.scan(
            scope, rules or self.rules, text, prompt=prompt, substitutes=substitutes, fail_fast=fail_fast
        )

    def say(self, text, *arguments, **settings):
        return asyncio.run(self.scan(text, *arguments, **settings))

    @property
    def calls(self):
        return len(self.models.calls)


@pytest.fixture
def rooms(word_rule):
    made = []

    def make(*arguments, **settings):
        made.append(Room(word_rule("unused"), *arguments, **settings))
        return made[-1]

    yield make
    for room in made:
        room.engine.close()


def judged(result):
    return [replace(one, duration_ms=0.0) for one in result.results]


def test_a_text_that_comes_again_is_answered_without_a_model(rooms):
    room = rooms()
    first, second = room.say("I am Ada."), room.say("I am Ada.")
    assert judged(second) == judged(first)
    assert (second.sanitized, second.replaced) == ("I am [PERSON_1].", {"[PERSON_1]": "Ada"})
    assert first.results[0].duration_ms > 0 == second.results[0].duration_ms
    assert room.calls == 1
    assert room.counted == [("memory", "miss"), ("memory", "hit")]


def test_an_answer_from_memory_has_only_the_stages_that_it_went_through(rooms):
    room = rooms()
    first, again = room.say("I am Ada"), room.say("I am Ada")
    assert [stage.name for stage in first.stages] == ["recall", "prepare", "infer", "judge", "sanitize"]
    assert [stage.name for stage in again.stages] == ["recall", "sanitize"]


def test_another_release_scans_again(rooms, monkeypatch):
    room = rooms()
    room.say("I am Ada.")
    monkeypatch.setattr(verdict_cache, "VERSION", "another")
    room.say("I am Ada.")
    assert room.calls == 2


def test_an_answer_from_memory_has_the_substitutes_of_its_own_conversation(rooms):
    room = rooms()
    room.say("I am Ada.")
    later = room.say("I am Ada.", known={"[PERSON_7]": "Ada"})
    assert later.sanitized == "I am [PERSON_7]."
    assert room.calls == 1


@pytest.mark.parametrize(
    "change",
    [
        {"scope": ("team-b", *SCOPE[1:])},
        {"scope": (*SCOPE[:2], "digest-2", SCOPE[3])},
        {"scope": (*SCOPE[:3], "output")},
        {"prompt": ""},
        {"prompt": "I am Ada."},
        {"fail_fast": True},
        {"text": "I am Ada. "},
    ],
    ids=str,
)
def test_what_differs_is_another_verdict(rooms, change):
    room = rooms()
    room.say("I am Ada.")
    room.say(**({"text": "I am Ada."} | change))
    assert room.calls == 2


def test_a_lowered_threshold_is_another_verdict(rooms):
    room = rooms()
    strict = tuple(replace(rule, threshold=0.95) for rule in room.rules)
    assert room.say("I am Ada.", rules=strict).sanitized == "I am Ada."
    assert room.say("I am Ada.").sanitized == "I am [PERSON_1]."
    by_label = tuple(replace(rule, thresholds={"PERSON": 0.95}) for rule in room.rules)
    assert room.say("I am Ada.", rules=by_label).sanitized == "I am Ada."


def test_a_suppressed_rule_is_another_verdict(rooms, word_rule):
    room = rooms()
    both = (*room.rules, word_rule("ATTACK"))
    assert room.say("an ATTACK").is_valid
    assert not room.say("an ATTACK", rules=both).is_valid


def test_a_verdict_larger_than_the_memory_sends_nobody_away(rooms):
    def find_all(text):
        return [Prediction("PERSON", 0.9, Span(at, at + 3)) for at in range(0, len(text) - 3, 4) if "Ada" in text]

    room = rooms(predict=find_all, max_bytes=2_000)
    room.say("I am Ada.")
    room.say("Ada " * 500)
    room.say("I am Ada.")
    assert room.calls == 2


@pytest.mark.parametrize(("many", "aside"), [(0, True), (1, False)])
def test_many_findings_are_written_down_in_a_thread(rooms, monkeypatch, many, aside):
    def pack(self, *arguments):
        threads.append(threading.get_ident())
        return written_down(self, *arguments)

    threads, written_down = [], VerdictCache._pack
    monkeypatch.setattr(VerdictCache, "_pack", pack)
    monkeypatch.setattr(verdict_cache, "MANY_FINDINGS", many)
    room = rooms()
    assert room.say("I am Ada.").replaced == room.say("I am Ada.").replaced
    assert [thread != threading.get_ident() for thread in threads] == [aside]
    assert room.calls == 1


@pytest.mark.parametrize("error", [RuntimeError, Overloaded, DeadlineExceeded])
def test_what_failed_is_not_kept(rooms, error):
    broken = [True]

    def predict(text):
        if broken[0]:
            raise error("why")
        return find_ada(text)

    room = rooms(predict)
    with contextlib.suppress(Overloaded):
        assert not room.say("I am Ada.").is_valid
    broken[0] = False
    assert room.say("I am Ada.").is_valid


def test_a_scan_of_which_one_rule_failed_is_not_kept(rooms, word_rule):
    broken = [True]

    def predict(text):
        if broken[0]:
            raise RuntimeError("why")
        return find_ada(text)

    room = rooms(predict)
    rules = (word_rule("ATTACK"), *(replace(rule, on_error=Action.ALLOW) for rule in room.rules))
    first = room.say("I am Ada.", rules=rules)
    assert (first.is_valid, [one.error for one in first.results]) == (True, [None, "model_failed"])
    broken[0] = False
    assert room.say("I am Ada.", rules=rules).sanitized == "I am [PERSON_1]."


def test_a_verdict_is_forgotten_after_its_time(rooms):
    clock = Clock()
    room = rooms(clock=clock)
    room.say("a")
    clock.now += 59
    room.say("a")
    assert room.calls == 1
    clock.now += 1
    room.say("a")
    assert room.calls == 2


def test_the_longest_unused_gives_way_to_the_newest(rooms):
    room = rooms(entries=2)
    for text in ("a", "b", "a", "c"):
        room.say(text)
    room.say("a")
    assert room.calls == 3
    room.say("b")
    assert room.calls == 4


def test_memory_is_bounded_by_bytes_whatever_is_found(rooms):
    many = [Prediction("PERSON", 0.9, Span(at, at + 1)) for at in range(200)]
    room = rooms(lambda text: many, max_bytes=50_000)
    for number in range(50):
        room.say("x" * 200 + str(number))
    assert 0 < room.cache._bytes <= 50_000
    assert room.cache._bytes == sum(len(packed) + 300 for _, packed in room.cache._kept.values())
    huge = rooms(lambda text: many, max_bytes=1000)
    huge.say("x" * 200)
    assert (huge.cache._bytes, len(huge.cache._kept)) == (0, 0)


def test_nothing_that_is_kept_holds_the_text(rooms):
    room = rooms()
    room.say("I am Ada of the secret house.")
    assert b"Ada" not in str(room.cache._kept).encode()
    assert b"secret" not in str(room.cache._kept).encode()


def test_no_entries_means_no_memory(rooms):
    room = rooms(entries=0)
    room.say("a"), room.say("a")
    assert (room.calls, room.counted) == (2, [])


def with_redis(url, work):
    async def run():
        failures = []
        shared = Shared(url, failures.append)
        try:
            return await work(shared, failures)
        finally:
            await shared.aclose()

    return asyncio.run(run())


async def written(room):
    await asyncio.gather(*room.cache._writing)


@pytest.mark.usefixtures("patience")
def test_a_replica_answers_what_another_has_scanned(redis_server, rooms):
    async def work(shared, failures):
        one, two = rooms(shared=shared), rooms(shared=shared)
        first = await one.scan("I am Ada.")
        await written(one)
        second, third = await two.scan("I am Ada."), await two.scan("I am Ada.")
        assert judged(first) == judged(second) == judged(third)
        assert second.sanitized == "I am [PERSON_1]."
        assert two.counted == [("memory", "miss"), ("redis", "hit"), ("memory", "hit")]
        assert (two.calls, failures) == (0, [])

    with_redis(redis_server.url, work)


@pytest.mark.usefixtures("patience")
def test_redis_learns_neither_text_nor_verdict_and_forgets(redis_server, rooms):
    async def work(shared, failures):
        room = rooms(shared=shared)
        await room.scan("I am Ada.")
        await written(room)

    with_redis(redis_server.url, work)
    name = redis_server.command("KEYS", "*").split(b"\r\n")[2].decode()
    kept = redis_server.command("GET", name)
    assert len(kept) > 100
    assert not any(word in kept for word in (b"Ada", b"PERSON", b"redact", b"person"))
    assert 0 < int(redis_server.command("TTL", name)[1:]) <= 60


@pytest.mark.usefixtures("patience")
@pytest.mark.parametrize("forgery", ["another verdict", "nonsense", "another key"])
def test_a_verdict_that_somebody_put_into_redis_is_a_miss(redis_server, rooms, forgery):
    async def work(shared, failures):
        honest = rooms(shared=shared, key=OTHER_KEY if forgery == "another key" else KEY)
        await honest.scan("harmless")
        await written(honest)
        [source] = await shared.call("keys", lambda redis: redis.keys("scanner:verdict:*"))
        witness = rooms(shared=shared)  # writes where the victim will read, whatever the name is made of
        await witness.scan("I am Ada.")
        await written(witness)
        [target] = set(await shared.call("keys", lambda redis: redis.keys("scanner:verdict:*"))) - {source}
        await shared.call("forge", lambda redis: _forge(redis, source, target, nonsense=forgery == "nonsense"))
        victim = rooms(shared=shared)
        answer = await victim.scan("I am Ada.")
        assert answer.sanitized == "I am [PERSON_1]."
        assert victim.counted == [("memory", "miss"), ("redis", "miss")]
        assert failures == []

    with_redis(redis_server.url, work)


async def _forge(redis, source, target, *, nonsense):
    return await redis.set(target, b"nonsense, long enough to be sealed" if nonsense else await redis.get(source))


def test_a_stalled_redis_delays_a_scan_once_and_stops_none(redis_server, rooms):
    async def work(shared, failures):
        room = rooms(shared=shared)
        redis_server.stall(3)
        loop = asyncio.get_running_loop()
        began = loop.time()
        answers = [await room.scan(f"I am Ada {number}.") for number in range(20)]
        assert loop.time() - began < 0.05 + 0.5
        assert {answer.sanitized for answer in answers} == {f"I am [PERSON_1] {number}." for number in range(20)}
        assert failures == ["verdict_get"]

    with_redis(redis_server.url, work)
