"""Values that are put back inside strings of JSON, where escapes multiply."""

import json
import tracemalloc

import pytest

from scanner_service.errors import RequestTooLarge
from scanner_service.restore import restore

VALUES = {"[QUOTE_1]": 'a "b" \\ c'}


def test_letters_that_need_no_escape_get_none():
    assert restore('{"to": "[CITY_1]"}', {"[CITY_1]": "Zürich\u2028\U0001f600"}) == '{"to": "Zürich\u2028\U0001f600"}'


def test_a_quotation_mark_that_opens_no_string_changes_no_depth():
    document = {"said": '[1] he wrote \\"[QUOTE_1]', "after": "[QUOTE_1]"}
    restored = json.loads(restore(json.dumps(document), VALUES))
    assert restored == {"said": '[1] he wrote \\"' + VALUES["[QUOTE_1]"], "after": VALUES["[QUOTE_1]"]}


def test_a_value_in_deep_strings_takes_no_more_memory_than_may_be_put_back():
    document = "[KEY_1]"
    for _ in range(12):
        document = json.dumps({"a": document})
    tracemalloc.start()
    try:
        with pytest.raises(RequestTooLarge):
            restore(document, {"[KEY_1]": '"' * 32_768})
        assert tracemalloc.get_traced_memory()[1] < 64 * 2**20
    finally:
        tracemalloc.stop()
