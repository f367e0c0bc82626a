"""How answers are labelled, and when that to a stream ends."""

import asyncio
import json

import pytest

from scanner_service.policy import Policy
from tests.http.test_scans import SCANS, assert_refused, body_for
from tests.http.test_streams import begin, body, post


@pytest.mark.parametrize("path", SCANS)
@pytest.mark.parametrize(("text", "status"), [("fine", 200), ("ATTACK", 200), ("", 422)])
def test_answers_and_errors_are_json(client, path, text, status):
    response = client.post(path, json=body_for(path, text))
    assert (response.status_code, response.headers["content-type"]) == (status, "application/json")
    batch = client.post("/analyze/prompts", json={"prompts": [text]})
    assert (batch.status_code, batch.headers["content-type"]) == (200, "application/json")


def test_half_a_surrogate_pair_in_the_prompt_of_a_stream_is_a_wrong_field(client):
    assert_refused(post(client, {"prompt": "\ud800"}, {"delta": "a"}), 422, "invalid_request", "$.prompt")


def test_a_block_ends_a_stream_that_is_still_being_sent(world):
    async def scene():
        sent = []
        stream, asked = begin(world, sent)
        asked.put_nowait({"type": "http.request", "body": body({"delta": "ATTACK " + "y " * 200}), "more_body": True})
        await asyncio.wait_for(stream, 10)
        return b"".join(message.get("body", b"") for message in sent)

    *shown, verdict = (json.loads(line) for line in asyncio.run(scene()).splitlines())
    assert {word for line in shown for word in line["text"].split()} == {"word"}
    assert (verdict["is_valid"], verdict["message"]) == (False, "attack: INJECTION at 500–506")


def test_a_score_that_just_reaches_its_threshold_is_a_risk_of_zero_and_no_negative_one(world, word_rule):
    chain = (word_rule("ATTACK", name="attack", score=0.5, threshold=0.5),)
    world.policies["default"] = Policy("default", "d", chain, chain)
    answer = world.client.post("/scan/prompt", json={"prompt": "ATTACK"}).json()
    assert (answer["scanners"], answer["is_valid"]) == ({"attack": 0.0}, False)
