"""Streamed chat completions through the scanner, for clients of either kind."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

from scanner_client.integrations import chat, walks

if TYPE_CHECKING:
    from scanner_client import AsyncClient, Client, PromptAnalysis


def chat_chunks(raw: Iterator[Any], client: Client, prompt: PromptAnalysis | None) -> Iterator[Any]:
    """The chunks of *raw*, their text as far as it is safe, their tool calls at the end."""
    stream = chat.ChatStream()
    texts = map(stream.take, raw)  # empty while the LLM calls a tool, which tells the service that it is at work
    first = next(filter(None, texts), None)
    if first is not None:
        for text in client.stream_output(itertools.chain([first], texts), prompt=prompt or ""):
            yield stream.show(text)
    yield from walks.run(stream.rest(), client, prompt)[0]


async def chat_chunks_async(
    raw: AsyncIterator[Any], client: AsyncClient, prompt: PromptAnalysis | None
) -> AsyncIterator[Any]:
    """As `chat_chunks`."""
    stream = chat.ChatStream()
    texts = (stream.take(chunk) async for chunk in raw)
    async for first in texts:
        if not first:
            continue

        async def pieces(first: str = first) -> AsyncIterator[str]:
            yield first
            async for text in texts:
                yield text

        async for text in client.stream_output(pieces(), prompt=prompt or ""):
            yield stream.show(text)
    for chunk in (await walks.run_async(stream.rest(), client, prompt))[0]:
        yield chunk
