"""
Outputs that arrive in pieces, as lines of JSON, without any I/O: what is said, and what the answer means.

Said: a line about the whole output, then `{"delta": "…"}` for each piece.
Answered: `{"text": "…"}` whenever more is safe to show, and at the end one line with the verdict.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import TYPE_CHECKING

from scanner_client import results
from scanner_client.answers import failure_in
from scanner_client.errors import Unavailable, UnexpectedAnswer
from scanner_client.options import call_headers, policy_fields, prompt_fields
from scanner_client.protocol import encode
from scanner_client.results import OutputAnalysis, PromptAnalysis

if TYPE_CHECKING:
    from scanner_client.options import Options

PATH = "/analyze/output/stream"

# A longer piece is sent as several: so much always fits into the buffers between the two sides.
PIECE_CHARACTERS = 16_384


def first_line(prompt: str | PromptAnalysis, options: Options) -> bytes:
    """What the service must know before the first piece."""
    return _line({**prompt_fields(prompt), **policy_fields(options)})


def headers(options: Options) -> dict[str, str]:
    """The headers of a stream."""
    return {**call_headers(options), "content-type": "application/x-ndjson", "accept": "application/x-ndjson"}


def begun(pieces: Iterable[str]) -> Iterator[str]:
    """*pieces*, begun: the service does not wait for a piece as long as an LLM may think before its first one."""
    told = iter(pieces)
    return itertools.chain([next(told, "")], told)


async def begun_async(pieces: Iterable[str] | AsyncIterable[str]) -> AsyncIterator[str]:
    """As `begun`, whichever sort of iterable they are."""
    told = aiter_any(pieces)
    first = await anext(told, "")

    async def all_of_them() -> AsyncIterator[str]:
        yield first
        async for piece in told:
            yield piece

    return all_of_them()


def lines_of(piece: str) -> Iterator[bytes]:
    """*piece* as lines of the request; an empty one is one as well, and tells the service that the LLM is at work."""
    for start in range(0, max(len(piece), 1), PIECE_CHARACTERS):
        yield _line({"delta": piece[start : start + PIECE_CHARACTERS]})


def lines(first: bytes, pieces: Iterable[str]) -> Iterator[bytes]:
    """A whole request, its first line made already: what is wrong with it is raised before anything is sent."""
    yield first
    for piece in pieces:
        yield from lines_of(piece)


async def lines_async(first: bytes, pieces: AsyncIterable[str]) -> AsyncIterator[bytes]:
    """As `lines`."""
    yield first
    async for piece in pieces:
        for line in lines_of(piece):
            yield line


async def aiter_any(pieces: Iterable[str] | AsyncIterable[str]) -> AsyncIterator[str]:
    """*pieces*, whichever sort of iterable they are."""
    if isinstance(pieces, AsyncIterable):
        async for piece in pieces:
            yield piece
        return
    for piece in pieces:
        yield piece


def _line(data: dict[str, object]) -> bytes:
    return encode(data) + b"\n"


class Transcript:
    """
    The lines of one answer, fed as bytes come.

    Attributes:
        analysis: the verdict, None until it came.
    """

    def __init__(self) -> None:
        self.analysis: OutputAnalysis | None = None
        self._rest = b""
        self._shown: list[str] = []

    def feed(self, data: bytes) -> Iterator[str]:
        """
        The texts in *data* that may be shown.

        Raises:
            ScanFailed: the service gave up, or the lines are not its own.
        """
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if line.strip() and (text := self._read(line)):
                self._shown.append(text)
                yield text

    def close(self) -> OutputAnalysis:
        """
        The verdict, after the last byte.

        Raises:
            ScanFailed: there is none.
            MaliciousOutput: it is bad.
        """
        if self._rest.strip():
            self._rest += b"\n"
            for _ in self.feed(b""):
                raise UnexpectedAnswer("the stream ended with a text instead of a verdict")
        if self.analysis is None:
            raise Unavailable("the stream ended before its verdict")
        return self.analysis.raise_if_blocked()

    def _read(self, line: bytes) -> str | None:
        data = results.decode(line)
        if self.analysis is not None:
            raise UnexpectedAnswer("the stream went on after its verdict")
        if failure := failure_in(data):
            raise failure
        if "is_valid" in data:
            self.analysis = results.read_output({"sanitized_output": "".join(self._shown), **data})
            return None
        if not isinstance(text := data.get("text"), str):
            raise UnexpectedAnswer("a line of the stream is neither a text nor a verdict")
        return text
