"""JSON, and types of applications, walked through."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import json
import re
from typing import Any

import pytest

from scanner_client import MaliciousPrompt
from scanner_client.integrations import walks
from scanner_client.integrations.contents import content_of
from scanner_client.integrations.data import data_of, leaves, strings
from scanner_client.testing import Answer, FakeScanner, blocked, redacted

VALUE = 'Ada "Countess" \\ Lovelace'


def test_values_with_quotes_are_restored_into_json_that_stays_json():
    client = FakeScanner({"I am Ada": redacted("I am [P_1]", {"[P_1]": VALUE})}).client()
    _, prompt = walks.run(content_of("I am Ada"), client)
    arguments = json.dumps({"to": ["Dear [P_1]"], "count": 3, "nested": {"name": "[P_1]"}})
    safe, _ = walks.run(strings(arguments, is_output=True), client, prompt)
    assert json.loads(safe) == {"to": [f"Dear {VALUE}"], "count": 3, "nested": {"name": VALUE}}
    assert walks.run(strings("no json [P_1]", is_output=True), client, prompt)[0] == f"no json {VALUE}"


REPLACED = [
    (r'(?<="password": ")[^"]+', "[PASSWORD_1]"),
    (r"ann@example\.com", "[EMAIL_ADDRESS_1]"),
    (r"4111111111111111", "[CREDIT_CARD_1]"),
]

# By what is to be replaced, what stands in its place.
IN_THE_WHOLE = [
    ({"password": "hunter2!Xk9", "n": 3}, {"password": "[PASSWORD_1]", "n": 3}),
    ({"ann@example.com": "to"}, {"[EMAIL_ADDRESS_1]": "to"}),
    ({"card": 4111111111111111, "n": 3, "x": [1.5]}, {"card": "[CREDIT_CARD_1]", "n": 3, "x": [1.5]}),
    ({"a": [{"ann@example.com": "ann@example.com"}]}, {"a": [{"[EMAIL_ADDRESS_1]": "[EMAIL_ADDRESS_1]"}]}),
    ({"mail": "ann@example.com", "n": 3}, {"mail": "[EMAIL_ADDRESS_1]", "n": 3}),
    ({"n": 3, "nothing": [None, True, 1.5]}, {"n": 3, "nothing": [None, True, 1.5]}),
]


def whole_answer(text):
    for pattern, placeholder in REPLACED:
        text = re.sub(pattern, placeholder, text)
    return blocked("prompt_injection") if "an attack" in text else redacted(text)


@pytest.mark.parametrize(("data", "safe"), IN_THE_WHOLE, ids=str)
@pytest.mark.parametrize("is_output", [False, True])
def test_what_is_a_value_only_beside_its_key_or_is_no_string_is_replaced(data, safe, is_output):
    client = FakeScanner(whole_answer).client()
    assert json.loads(walks.run(strings(json.dumps(data), is_output=is_output), client)[0]) == safe
    assert walks.run(data_of(data, is_output=is_output), client)[0] == safe
    part = {"type": "tool_use", "name": "f", "input": data}
    assert walks.run(content_of(part, is_output=is_output), client)[0]["input"] == safe


def test_a_malicious_key_stops_the_walk():
    client = FakeScanner(whole_answer).client()
    for arguments in ({"an attack": 1}, json.dumps({"an attack": 1})):
        with pytest.raises(MaliciousPrompt):
            walks.run(content_of({"name": "f", "args": arguments}), client)


def test_arguments_that_need_no_second_look_are_asked_about_once():
    fake = FakeScanner(whole_answer)
    walks.run(strings('{"a": "b", "n": 1}'), fake.client())
    assert fake.texts == ['{"a": "b", "n": 1}']
    walks.run(strings('{"a":"ann@example.com"}'), fake.client())
    assert fake.texts[1:] == ['{"a":"ann@example.com"}', "ann@example.com"]


def test_a_mapping_that_is_replaced_by_something_else_is_refused():
    client = FakeScanner(lambda text: redacted("gone") if text.startswith("{") else Answer()).client()
    with pytest.raises(walks.Unscannable):
        walks.run(data_of({"a": "b"}, is_output=False), client)
    assert walks.run(strings('{"a": "b"}'), client)[0] == "gone"
    assert walks.answered(data_of({"a": "b"}, is_output=True), lambda _: "") == {}


@dataclasses.dataclass(frozen=True)
class Payment:
    """What an application has an answer parsed into."""

    password: str
    card: int
    sum: float
    when: datetime.date
    others: tuple[Payment, ...] = ()


PAYMENT = Payment("hunter2!Xk9", 4111111111111111, 1.5, datetime.date(2026, 1, 2))
SAFE_PAYMENT = Payment("[PASSWORD_1]", "[CREDIT_CARD_1]", 1.5, datetime.date(2026, 1, 2))  # type: ignore[arg-type]
HARMLESS = Payment("", 3, 1.5, datetime.date(2026, 1, 2))


@pytest.mark.parametrize("is_output", [False, True])
def test_in_objects_of_an_application_numbers_and_what_is_a_value_beside_its_name_are_replaced(is_output):
    client = FakeScanner(whole_answer).client()
    assert walks.run(data_of(PAYMENT, is_output=is_output), client)[0] == SAFE_PAYMENT
    nested = dataclasses.replace(HARMLESS, others=(PAYMENT, HARMLESS))
    safe = dataclasses.replace(HARMLESS, others=(SAFE_PAYMENT, HARMLESS))
    assert walks.run(data_of(nested, is_output=is_output), client)[0] == safe
    assert walks.run(data_of({"paid": nested, "n": 3}, is_output=is_output), client)[0] == {"paid": safe, "n": 3}


def test_in_models_of_pydantic_as_well():
    pydantic = pytest.importorskip("pydantic")
    fields = {field.name: (Any, ...) for field in dataclasses.fields(Payment)}
    model = pydantic.create_model("Model", __config__={"extra": "allow"}, **fields)
    given = model(**vars(HARMLESS) | {"others": [model(**vars(PAYMENT))], "more": {"card": 4111111111111111}})
    safe = walks.run(data_of(given, is_output=True), FakeScanner(whole_answer).client())[0]
    assert safe.others == [model(**vars(SAFE_PAYMENT))]
    assert safe == given.model_copy(update={"others": safe.others, "more": {"card": "[CREDIT_CARD_1]"}})


def test_an_object_of_which_a_field_is_gone_is_refused():
    client = FakeScanner(lambda text: redacted('{"sum": 1.5}') if text.startswith("{") else Answer()).client()
    with pytest.raises(walks.Unscannable, match="Payment"):
        walks.run(data_of(PAYMENT, is_output=True), client)


def test_a_malicious_number_in_an_object_stops_the_walk():
    client = FakeScanner(lambda text: blocked("patterns") if "4111" in text else Answer()).client()
    with pytest.raises(MaliciousPrompt):
        walks.run(data_of(PAYMENT, is_output=False), client)


def test_a_named_tuple_stays_one():
    point = collections.namedtuple("Point", "name x")("a", 1)
    safe = walks.answered(leaves({"point": point}, is_output=False), str.upper)
    assert safe["point"] == type(point)("A", 1)
    assert type(safe["point"]) is type(point)
