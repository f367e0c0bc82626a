from functools import partial

import pytest
from starlette.exceptions import HTTPException

from scanner_service import errors
from scanner_service.http.errors import STATUS, answer_to, response_to, status_of

LIMITED = partial(errors.RateLimited, retry_after_seconds=7)
RAISED = [
    value
    for value in vars(errors).values()
    if isinstance(value, type) and issubclass(value, errors.ScannerServiceError) and value is not errors.RateLimited
]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.Malformed, 400),
        (errors.InvalidVaultToken, 400),
        (errors.Unauthorized, 401),
        (errors.Forbidden, 403),
        (errors.BodyTimeout, 408),
        (errors.RequestTooLarge, 413),
        (errors.UnsupportedMediaType, 415),
        (errors.InvalidRequest, 422),
        (LIMITED, 429),
        (errors.Overloaded, 503),
        (errors.DeadlineExceeded, 504),
        (errors.ModelError, 500),
        (errors.ConfigError, 500),
        (KeyError, 500),
    ],
)
def test_every_error_has_its_status(error, status):
    assert status_of(error("why")) == status


def test_a_new_error_has_the_status_of_its_family():
    class Odd(errors.InvalidRequest):
        pass

    assert status_of(Odd("why")) == STATUS[errors.InvalidRequest]


@pytest.mark.parametrize("error", [*RAISED, LIMITED, KeyError, HTTPException])
def test_every_error_reads_as_a_refusal(error):
    answer = answer_to(error(404) if error is HTTPException else error("why"), "id")
    assert (answer.is_valid, answer.blocked, answer.scanners, answer.sanitized_prompt) == (False, True, {}, "")
    assert answer.error.code
    assert answer.error.message


@pytest.mark.parametrize("error", [ValueError, errors.ModelError, errors.ConfigError])
def test_what_went_wrong_inside_is_not_told(error):
    answer = answer_to(error("the text itself"), "id")
    assert answer.error.code == "internal_error"
    assert "the text itself" not in answer.error.message


@pytest.mark.parametrize(("error", "configured"), [(errors.Overloaded, 7), (LIMITED, 1)])
def test_who_is_turned_away_is_told_when_to_come_back(error, configured):
    assert response_to(error("why"), "id", "/", configured).headers["retry-after"] == "7"


def test_a_challenge_names_both_schemes():
    response = response_to(errors.Unauthorized("why"), "id", "/", 1)
    assert [scheme.split()[0] for scheme in response.headers.getlist("www-authenticate")] == ["Bearer", "Basic"]


def test_outputs_have_no_sanitized_text_either():
    assert b'"sanitized_output":""' in response_to(errors.Malformed("why"), "id", "/analyze/output", 1).body
    assert b"sanitized_output" not in response_to(errors.Malformed("why"), "id", "/analyze/prompt", 1).body
