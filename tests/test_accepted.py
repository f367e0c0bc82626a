import pytest

from scanner_service.accepted import Accepted


@pytest.fixture
def accepted():
    return Accepted()


def test_there_is_nothing_at_first(accepted):
    assert accepted.content is None


def test_what_was_kept_last_is_read_back_and_nothing_of_what_was_longer(accepted):
    accepted.keep(b"policies: {long: one}")
    accepted.keep(b"policies: {}")
    assert [accepted.content for _ in range(2)] == [b"policies: {}"] * 2
