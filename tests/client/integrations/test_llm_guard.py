"""The asynchronous client of LLM Guard's documentation, in logic: the check runs beside a call of OpenAI's SDK."""

import asyncio

import aiohttp
import pytest
from openai import AsyncOpenAI

from tests.client.test_llm_guard import ATTACK, HARMLESS, Refused, ask_with_aiohttp


def test_plain_aiohttp_code_beside_a_call_of_openai_works_unchanged(server, server_key, fake_llm):
    async def generate(prompt, key=server_key, **options):
        async with AsyncOpenAI(base_url=fake_llm.url, api_key="none") as openai:
            message = {"role": "user", "content": prompt}
            done = await asyncio.gather(
                ask_with_aiohttp(server.url, key, prompt, **options),
                openai.chat.completions.create(model="fake-1", messages=[message]),
            )
        return done[1].choices[0].message.content

    assert asyncio.run(generate(HARMLESS)) == f"You said: {HARMLESS}"
    with pytest.raises(Refused, match="prompt_injection"):
        asyncio.run(generate(ATTACK))
    with pytest.raises(aiohttp.ClientResponseError, match="401"):
        asyncio.run(generate(HARMLESS, key="wrong"))
    with pytest.raises(Refused, match=r"\[\]"):
        asyncio.run(generate(HARMLESS, key="wrong", raise_for_status=False))
