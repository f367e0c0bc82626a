import threading
from dataclasses import dataclass, field

import pytest

from scanner_service.findings import Action
from scanner_service.policy import Policy, Rule, Shadow
from tests.http.test_scans import SCANS, body_for


@pytest.fixture
def shadowed(world, word_rule):
    """A client of a policy that finds nothing, with a shadow that blocks."""
    strict = (word_rule("fine", name="strict"),)
    mild = (word_rule("absent", name="mild"), word_rule("other", name="other", optional=True))
    world.policies["default"] = Policy("default", "d", mild, mild, Shadow(Policy("next", "e", strict, strict), 1.0))
    with world.client as client:
        yield client


def outcomes(client):
    lines = client.get("/metrics").text.splitlines()
    return [line for line in lines if line.startswith("scanner_shadow_total{")]


def eventually(client, expected):
    for _ in range(100):
        if outcomes(client) == expected:
            return
    assert outcomes(client) == expected


@pytest.mark.parametrize("path", SCANS)
def test_a_shadow_changes_no_answer_and_is_counted(shadowed, path):
    answer = shadowed.post(path, json=body_for(path)).json()
    assert (answer["is_valid"], list(answer["scanners"]), answer["policy"]) == (True, ["mild", "other"], "default")
    eventually(shadowed, ['scanner_shadow_total{outcome="stricter",policy="default",shadow="next"} 1.0'])


def test_each_item_of_a_batch_is_compared(shadowed):
    shadowed.post("/analyze/prompts", json={"prompts": ["fine", "nothing"]})
    labels = 'policy="default",shadow="next"} 1.0'
    same, stricter = (
        f'scanner_shadow_total{{outcome="same",{labels}',
        f'scanner_shadow_total{{outcome="stricter",{labels}',
    )
    for _ in range(100):
        if sorted(outcomes(shadowed)) == [same, stricter]:
            return
    raise AssertionError(outcomes(shadowed))


@pytest.mark.parametrize("change", [{"thresholds": {"mild": 0.1}}, {"scanners_suppress": ["other"]}])
def test_a_request_that_changes_its_policy_is_not_compared(shadowed, change):
    shadowed.post("/analyze/prompt", json={"prompt": "fine"} | change)
    shadowed.post("/analyze/prompt", json={"prompt": "fine"})
    eventually(shadowed, ['scanner_shadow_total{outcome="stricter",policy="default",shadow="next"} 1.0'])


@dataclass
class Waiting:
    """A scanner that waits to be told that the answer has been read."""

    told: threading.Event
    was_told: list[bool] = field(default_factory=list)
    needs = ()

    def scan(self, text, context):
        self.was_told.append(self.told.wait(3))
        return ()


def test_an_answer_does_not_wait_for_the_shadow(world, word_rule):
    waiting = Waiting(threading.Event())
    slow = (Rule(name="slow", kind="test", scanner=waiting, action=Action.BLOCK),)
    mild = (word_rule("absent"),)
    world.policies["default"] = Policy("default", "d", mild, mild, Shadow(Policy("next", "e", slow, slow), 1.0))
    with world.client as client:
        assert client.post("/analyze/prompt", json={"prompt": "fine"}).status_code == 200
        waiting.told.set()
        eventually(client, ['scanner_shadow_total{outcome="same",policy="default",shadow="next"} 1.0'])
    assert waiting.was_told == [True]
