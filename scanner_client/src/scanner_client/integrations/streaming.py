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
    texts = (text for chunk in raw if (text := stream.take(chunk)))
    first = next(texts, None)
    if first is not None:
        for text in client.stream_output(itertools.chain([first], texts), prompt=prompt or ""):
            yield stream.show(text)
    yield from walks.run(stream.rest(), client, prompt)[0]


async def chat_chunks_async(
    raw: AsyncIterator[Any], client: AsyncClient, prompt: PromptAnalysis | None
) -> AsyncIterator[Any]:
    """As `chat_chunks`."""
    stream = chat.ChatStream()
    texts = (text async for chunk in raw if (text := stream.take(chunk)))
    first = await anext(texts, None)
    if first is not None:

        async def pieces() -> AsyncIterator[str]:
            yield first
            async for text in texts:
                yield text

        async for text in client.stream_output(pieces(), prompt=prompt or ""):
            yield stream.show(text)
    for chunk in (await walks.run_async(stream.rest(), client, prompt))[0]:
        yield chunk
