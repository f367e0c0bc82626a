"""`llm-api-client`: many requests, of which the blocked ones give None and a reason."""

from __future__ import annotations

import time

import pytest

pytestmark = pytest.mark.filterwarnings("default")

llm_api_client = pytest.importorskip("llm_api_client")

from scanner_client import MaliciousOutput, MaliciousPrompt, Unavailable  # noqa: E402
from scanner_client.integrations.llm_api_client import guard  # noqa: E402
from scanner_client.testing import Answer, FakeScanner, failing  # noqa: E402
from tests.client.conftest import ATTACK  # noqa: E402


@pytest.fixture
def requests_of(fake_llm):
    def make(*texts):
        fixed = {"model": "openai/gpt-4o-mini", "api_base": fake_llm.url, "api_key": "k"}
        return [fixed | {"messages": [{"role": "user", "content": text}]} for text in texts]

    return make


@pytest.mark.parametrize("method", ["make_requests", "make_requests_with_retries"])
def test_order_is_kept_and_what_is_blocked_has_a_reason(scanner, requests_of, fake_llm, method):
    client = guard(llm_api_client.APIClient(max_requests_per_minute=1000, max_workers=4), scanner)
    requests = requests_of("I am Ada", ATTACK, "hello", "insult me")
    answers = getattr(client, method)(requests, sanitize=False)
    words = [answer and answer.choices[0].message.content for answer in answers]
    assert words == ["You said: I am Ada", None, "You said: hello", None]
    assert isinstance(client.blocked.reason(requests[1]), MaliciousPrompt)
    assert isinstance(client.blocked.reason(requests[3]), MaliciousOutput)
    assert client.blocked.reason(requests[0]) is None
    assert {id(refusal.request) for refusal in client.blocked} == {id(requests[1]), id(requests[3])}
    assert len(client.blocked) == 2
    assert len(fake_llm.bodies) == 3
    assert "Ada" not in fake_llm.seen
    assert ATTACK not in fake_llm.seen
    assert len(client.history) >= 4


def test_an_outage_is_tried_again_and_forgotten_when_it_passes(requests_of):
    outages = iter([True])
    fake = FakeScanner(lambda _: failing(500) if next(outages, False) else Answer())
    client = guard(llm_api_client.APIClient(max_requests_per_minute=1000, max_workers=1), fake.client(max_retries=0))
    requests = requests_of("hello")
    assert client.make_requests(requests, sanitize=False) == [None]
    assert isinstance(client.blocked.reason(requests[0]), Unavailable)
    (answer,) = client.make_requests_with_retries(requests, sanitize=False)
    assert answer.choices[0].message.content == "You said: hello"
    assert len(client.blocked) == 0


def test_the_tracker_counts_what_was_sent(scanner, requests_of):
    client = guard(llm_api_client.APIClient(max_requests_per_minute=1000, max_workers=1), scanner)
    client.make_requests(requests_of("hello", ATTACK, "hello again"), sanitize=False)
    for _ in range(100):  # it counts in a thread of LiteLLM's
        if client.tracker.num_api_calls >= 2:
            break
        time.sleep(0.05)
    assert client.tracker.num_api_calls == 2
