"""Which requests take their policy as it is, so that a shadow can be compared with them."""

import pytest

from scanner_service.http import wire


def test_a_request_without_wishes_is_plain():
    assert wire.PromptRequest(prompt="a", policy="strict").is_plain is True


@pytest.mark.parametrize(
    "wish", [{"scanners_suppress": ["rule"]}, {"thresholds": {"rule": 0.1}}, {"entities": {"rule": ["IBAN_CODE"]}}]
)
def test_a_request_with_any_wish_is_not(wish):
    assert wire.PromptRequest(prompt="a", **wish).is_plain is False
