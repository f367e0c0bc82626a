"""Bodies that are JSON and that the decoder does not take."""

import pytest

from scanner_service.errors import InvalidRequest
from scanner_service.http import strict_json, wire


@pytest.mark.parametrize("body", [b"1e999", b'{"prompt": 1e999}', b'{"prompt": "a", "surprise": -1e999}'])
def test_a_number_that_is_too_large_is_a_wrong_field_wherever_it_stands(body):
    with pytest.raises(InvalidRequest, match="number out of range"):
        strict_json.decode(body, wire.PromptRequest)


@pytest.mark.parametrize("name", ["a b", "é", "x" * 65, "`", ""])
def test_an_unknown_field_with_a_name_that_is_not_repeated_is_an_unknown_field_all_the_same(name):
    body = b'{"prompt": "a", "%s": 1}' % name.encode()
    with pytest.raises(InvalidRequest) as error:
        strict_json.decode(body, wire.PromptRequest)
    assert str(error.value) == "`$`: has an unknown field"
