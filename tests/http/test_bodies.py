"""Bodies as ASGI servers may send them, and when a worker is busy."""

import asyncio
from contextlib import ExitStack

import pytest
from starlette.datastructures import Headers

from scanner_service.http.limits import Admission, read_body


@pytest.mark.parametrize(
    ("messages", "body"),
    [
        ([{"type": "http.request", "body": b"ab"}], b"ab"),
        ([{"type": "http.request"}], b""),
        ([{"type": "http.request", "more_body": True}, {"type": "http.request", "body": b"ab"}], b"ab"),
    ],
)
def test_what_a_message_does_not_say_is_nothing_and_the_end(messages, body):
    left = list(messages)

    async def receive():
        return left.pop(0) if left else await asyncio.Event().wait()

    assert asyncio.run(read_body(receive, Headers({}), 10, 5)) == body


def test_more_than_a_quarter_of_what_may_be_answered_is_busy():
    admission = Admission(8)
    with ExitStack() as places:
        seen = []
        for _ in range(4):
            seen.append(admission.busy)
            places.enter_context(admission.admit())
        assert (seen, admission.busy) == ([False] * 3 + [True], True)
    assert not admission.busy
