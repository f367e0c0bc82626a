import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner_service.errors import RequestTooLarge
from scanner_service.restore import MOST_RESTORED, Restorer, restore
from tests.timing import least_seconds

VALUES = {"[PERSON_1]": "Ann", "[PERSON_12]": "Bob", "[QUOTE_1]": 'a "b" \\ c\nd\t\x01é'}


def test_values_come_back_exactly():
    assert restore("Dear [PERSON_1], dear [PERSON_12].", VALUES) == "Dear Ann, dear Bob."


@pytest.mark.parametrize("spelling", ["person_1", "[Person 1]", "PERSON 1", r"\[PERSON\_1\]", "<PERSON_1>"])
def test_values_come_back_when_the_llm_changed_the_spelling(spelling):
    assert restore(f"Dear {spelling}, hello", VALUES) == "Dear Ann, hello"


def test_a_stand_in_that_the_vault_does_not_know_is_left_alone():
    assert restore("[PERSON_2] and PERSON_123 and [CITY_1]", VALUES) == "[PERSON_2] and PERSON_123 and [CITY_1]"


def test_a_value_that_looks_like_a_placeholder_is_not_restored_again():
    assert restore("[A_1]", {"[A_1]": "[B_1]", "[B_1]": "secret"}) == "[B_1]"


def test_fakes_are_put_back_by_their_exact_spelling():
    assert restore("Ask Joan Doe.", {"Joan Doe": "Ann", "[PERSON_1]": "Eve"}) == "Ask Ann."


@given(st.text(), st.dictionaries(st.text(max_size=5), st.just("say [QUOTE_1] twice: [QUOTE_1]"), max_size=3))
def test_a_value_in_a_json_string_is_escaped(key, document):
    document = {"first": f"{key} ", **document}
    restored = json.loads(restore(json.dumps(document), VALUES))
    assert restored == {k: v.replace("[QUOTE_1]", VALUES["[QUOTE_1]"]) for k, v in document.items()}


def test_a_value_in_the_arguments_of_a_tool_call_is_escaped_twice():
    arguments = json.dumps({"to": "[PERSON_1]", "body": 'He said "hi": [QUOTE_1]'})
    call = json.dumps(
        {"name": "mail", "note": 'see "[QUOTE_1]"', "arguments": arguments, "after": "[QUOTE_1]"}, indent=1
    )
    restored = json.loads(restore(call, VALUES))
    assert json.loads(restored["arguments"]) == {"to": "Ann", "body": 'He said "hi": ' + VALUES["[QUOTE_1]"]}
    assert restored["note"] == f'see "{VALUES["[QUOTE_1]"]}"'
    assert restored["after"] == VALUES["[QUOTE_1]"]


@pytest.mark.parametrize("value", ["BEGIN KEY\nMII\r\nEND KEY", 'a "b" \\ c', "CORP\\bob", "zażółć\t"])
@pytest.mark.parametrize("ascii_", [True, False])
def test_a_value_that_was_escaped_where_it_was_found_is_not_escaped_again(value, ascii_):
    text, taken = json.dumps({"key": value}, ensure_ascii=ascii_), json.dumps(value, ensure_ascii=ascii_)[1:-1]
    for _ in range(3):
        assert restore(text.replace(taken, "[KEY_1]"), {"[KEY_1]": taken}) == text
        text, taken = json.dumps({"arguments": text}), json.dumps(taken)[1:-1]


@pytest.mark.parametrize("indent", [None, 1, "\t"])
def test_documents_on_many_lines_in_strings_in_strings_stay_well_formed(indent):
    def nest(value, depth):
        return json.dumps({"a": nest(value, depth - 1)} if depth else [value], indent=indent, ensure_ascii=False)

    document = restore(nest("[QUOTE_1]", 3), VALUES)
    assert document == nest(VALUES["[QUOTE_1]"], 3)


@pytest.mark.parametrize("value", [r"p\4ss", r"C:\Users\ann", "a\\"])
def test_a_value_with_backslashes_that_are_no_escapes_is_escaped(value):
    assert json.loads(restore('{"key": "[KEY_1]"}', {"[KEY_1]": value})) == {"key": value}


def test_a_fenced_json_document_is_treated_as_json():
    document = restore('```json\n{"to": "[QUOTE_1]"}\n```', VALUES)
    assert json.loads(document.removeprefix("```json").removesuffix("```")) == {"to": VALUES["[QUOTE_1]"]}


def test_text_that_only_begins_with_a_bracket_is_not_json():
    assert restore('[PERSON_1] said "[QUOTE_1]"', VALUES) == f'Ann said "{VALUES["[QUOTE_1]"]}"'


@given(
    st.lists(st.sampled_from(['{"a": "', "[QUOTE_1]", '\\"', '"', " ", "x", "[PERSON_1]", '", "b": "']), max_size=12)
)
def test_pieces_give_the_same_text_as_the_whole(parts):
    text = "".join(parts)
    ends = [sum(map(len, parts[:index])) for index in range(len(parts) + 1)]
    restorer, at, out = Restorer(VALUES), 0, ""
    for end in ends[1:]:
        out += restorer.restore(text[at:], end - at)
        at = end
    assert out == restore(text, VALUES)


@pytest.mark.parametrize("hostile", ["\\", '"', '\\"', '"[\\', "[QUOTE_1]\\", "Joan ", '"\\n', "\\\\n"])
def test_time_is_linear_in_the_text(hostile):
    text = '{"a": "' + hostile * (100_000 // len(hostile))
    values = {"[A_1]": "a", **{f"Joan {number}": "b" for number in range(4_000)}}
    assert least_seconds(lambda: restore(text, values), enough=1) <= 1


def test_where_there_is_nothing_to_put_back_nothing_is_looked_for(monkeypatch):
    monkeypatch.delattr("scanner_service.restore._JSON_START")
    assert restore('{"a": "b"}', {}) == '{"a": "b"}'


def test_what_is_put_back_is_bounded_however_often_a_long_value_is_mentioned():
    long = {"[KEY_1]": "k" * (MOST_RESTORED // 2)}
    assert len(restore("[KEY_1] [KEY_1]", long)) == MOST_RESTORED + 1
    with pytest.raises(RequestTooLarge, match="more than 4194304 characters"):
        restore("[KEY_1] [KEY_1] [KEY_1]", long)


def test_escapes_of_nested_strings_count_too():
    quotes = {"[KEY_1]": '"' * (MOST_RESTORED // 2)}
    assert len(restore('{"a": "[KEY_1]"}', quotes)) > MOST_RESTORED
    with pytest.raises(RequestTooLarge):
        restore('{"a": "{\\"b\\": \\"[KEY_1]\\"}"}', quotes)


def test_the_pieces_of_a_stream_share_the_bound():
    restorer = Restorer({"[KEY_1]": "k" * (MOST_RESTORED - 1)})
    assert restorer.restore("[KEY_1] ", 8)
    with pytest.raises(RequestTooLarge):
        restorer.restore("[KEY_1] ", 8)
