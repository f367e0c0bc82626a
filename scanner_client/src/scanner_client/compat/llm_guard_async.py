"""
For code written after the asynchronous client of LLM Guard's documentation, which scans beside the call of the LLM.

    from scanner_client.compat.llm_guard_async import LLMGuardMaliciousPromptException, request_llm_guard_prompt

Unlike the client in that documentation it returns the sanitized prompt too, and verifies certificates.
"""

from __future__ import annotations

from scanner_client.async_client import AsyncClient
from scanner_client.compat.llm_guard import LLMGuardMaliciousPromptException, LLMGuardRequestException
from scanner_client.errors import MaliciousPrompt, ScanFailed

__all__ = ["LLMGuardMaliciousPromptException", "LLMGuardRequestException", "request_llm_guard_prompt"]


async def request_llm_guard_prompt(prompt: str) -> str:
    """As the function of `scanner_client.compat.llm_guard`, with a connection of its own: event loops come and go."""
    try:
        async with AsyncClient() as client:
            return (await client.check_prompt(prompt)).sanitized_prompt
    except MaliciousPrompt as verdict:
        raise LLMGuardMaliciousPromptException(scores=verdict.scores) from None
    except (ScanFailed, ValueError) as failure:
        raise LLMGuardRequestException(failure) from failure
