"""
For code written after the synchronous client of LLM Guard's documentation: the same names, arguments and results.

    from scanner_client.compat.llm_guard import LLMGuardMaliciousPromptException, request_llm_guard_prompt

What differs is what fails: an error of the service, and an answer that is none, raise `LLMGuardRequestException`.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from scanner_client.client import Client
from scanner_client.errors import MaliciousPrompt, ScanFailed
from scanner_client.settings import environment


class LLMGuardMaliciousPromptException(Exception):
    """
    The prompt must not reach the LLM.

    Attributes:
        scores: by scanner, its risk; over 0 means triggered.
    """

    scores: Mapping[str, float]

    def __init__(self, *args: object, **kwargs: Any) -> None:
        super().__init__(*args)
        self.scores = kwargs.get("scores", {})

    def __str__(self) -> str:
        triggered = ", ".join(name for name, score in self.scores.items() if score > 0)
        return f"LLM Guard detected a malicious prompt. Scanners triggered: {triggered}; scores: {self.scores}"


class LLMGuardRequestException(Exception):
    """The prompt was not scanned."""


def request_llm_guard_prompt(prompt: str) -> str:
    """
    The sanitized prompt.

    Raises:
        LLMGuardMaliciousPromptException: the prompt must not be used.
        LLMGuardRequestException: nobody knows.
    """
    try:
        return _client(environment("URL"), environment("API_KEY")).check_prompt(prompt).sanitized_prompt
    except MaliciousPrompt as verdict:
        raise LLMGuardMaliciousPromptException(scores=verdict.scores) from None
    except (ScanFailed, ValueError) as failure:
        raise LLMGuardRequestException(failure) from failure


@functools.lru_cache
def _client(url: str | None, api_key: str | None) -> Client:
    return Client(url, api_key or "")
