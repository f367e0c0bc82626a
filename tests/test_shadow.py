import asyncio
import json
import logging
from dataclasses import replace

import pytest

from scanner_service.engine import Engine
from scanner_service.errors import Overloaded
from scanner_service.findings import Action, ScanResult
from scanner_service.logs import JsonFormatter
from scanner_service.metrics import Metrics
from scanner_service.policy import Policy, Rule, Shadow
from scanner_service.scanner import Need
from scanner_service.shadow import MAX_AT_ONCE, Answered, Shadows, compare
from scanner_service.testing import FakeModels
from tests.http.conftest import Broken

TEXT = "Ada made an ATTACK"


def policy(name, *rules, shadow=None, share=1.0):
    return Policy(name, "d", rules, rules, Shadow(shadow, share) if shadow else None)


def run(live, *, times=1, text=TEXT, models=None, busy=False, draw=lambda: 0.5, close=False):
    """What is counted when *live* has answered about *text* so many times."""
    metrics = Metrics()

    async def go():
        engine = Engine(models or FakeModels({}), 5.0)
        shadows = Shadows(engine, metrics, draw)
        result = await Engine(FakeModels({}), 5.0).scan(live.prompt, text)
        for _ in range(times):
            shadows.start(Answered("prompt", live, text, None, False, result, {"request_id": "r1"}), busy=busy)
        assert len(shadows._tasks) <= MAX_AT_ONCE
        if not close:
            await asyncio.gather(*shadows._tasks)
        await shadows.aclose()
        engine.close()

    asyncio.run(go())
    lines = [line for line in metrics.expose().decode().splitlines() if line.startswith("scanner_shadow_total{")]
    return {line.split('outcome="')[1].split('"')[0]: float(line.split()[-1]) for line in lines}


@pytest.fixture
def block(word_rule):
    return word_rule("ATTACK", name="attack")


@pytest.fixture
def redact(word_rule):
    return word_rule("Ada", Action.REDACT, name="person")


def test_the_outcome_says_what_the_shadow_would_have_done(block, redact, word_rule):
    nothing = word_rule("absent")
    watching = replace(block, action=Action.MONITOR)
    more = word_rule("Ada made", Action.REDACT)
    for live, shadow, outcome in [
        ([block], [block], "same"),
        ([block], [block, redact], "same"),
        ([nothing], [watching], "same"),
        ([nothing], [redact], "stricter"),
        ([redact], [redact, block], "stricter"),
        ([redact], [redact, more], "stricter"),
        ([redact], [nothing], "looser"),
        ([block], [redact], "looser"),
        ([block], [watching], "looser"),
    ]:
        assert run(policy("live", *live, shadow=policy("next", *shadow))) == {outcome: 1.0}


def test_a_difference_is_logged_without_text(block, redact, caplog):
    caplog.set_level(logging.INFO, "scanner_service")
    run(policy("live", redact, shadow=policy("next", block)))
    (record,) = caplog.records
    line = json.loads(JsonFormatter().format(record))
    assert (line["message"], line["request_id"], line["outcome"]) == ("shadow differs", "r1", "stricter")
    assert line["live_rules"] == {"person": {"action": "redact", "risk": 1.0, "error": None}}
    assert line["shadow_rules"] == {"attack": {"action": "block", "risk": 1.0, "error": None}}
    assert "Ada" not in str(line)
    assert "ATTACK" not in str(line)


def test_only_the_share_is_sampled(block):
    draws = iter([0.1, 0.25, 0.9, 0.0])
    live = policy("live", block, shadow=policy("next", block), share=0.25)
    assert run(live, times=4, draw=lambda: next(draws)) == {"same": 2.0}


def test_a_share_of_zero_samples_nothing(block):
    assert run(policy("live", block, shadow=policy("next", block), share=0.0), draw=lambda: 0.0) == {}


def test_a_policy_without_a_shadow_is_left_alone(block):
    assert run(policy("live", block)) == {}


def test_more_than_so_many_at_once_are_dropped_and_counted(block):
    live = policy("live", block, shadow=policy("next", block))
    assert run(live, times=MAX_AT_ONCE + 3) == {"same": float(MAX_AT_ONCE), "dropped": 3.0}


def test_a_busy_worker_drops_them(block):
    assert run(policy("live", block, shadow=policy("next", block)), busy=True) == {"dropped": 1.0}


def test_an_overloaded_model_drops_them(block):
    def refuse(text):
        raise Overloaded("the queue is full")

    modelled = replace(block, scanner=replace(block.scanner, needs=(Need("guard", "raw"),)))
    live = policy("live", block, shadow=policy("next", modelled))
    assert run(live, models=FakeModels({"guard": refuse})) == {"dropped": 1.0}


def test_a_rule_that_could_not_run_is_no_difference(block, caplog):
    broken = Rule(name="broken", kind="test", scanner=Broken(), action=Action.BLOCK)
    assert run(policy("live", block, shadow=policy("next", broken))) == {"failed": 1.0}
    assert TEXT not in caplog.text


def test_what_still_runs_is_given_up_at_the_end(block):
    assert run(policy("live", block, shadow=policy("next", block)), close=True) == {}


def test_a_result_without_findings_equals_itself():
    assert compare(ScanResult((), ""), ScanResult((), "")) == "same"
