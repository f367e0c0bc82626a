"""
For LiteLLM: `guard(litellm.completion)` in your code, `ScannerGuardrail` in its proxy.

    guardrails:
      - guardrail_name: scanner
        litellm_params:
          guardrail: scanner_client.integrations.litellm.ScannerGuardrail
          mode: [pre_call, post_call]
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, TypeVar

from litellm.integrations.custom_guardrail import CustomGuardrail

from scanner_client import AsyncClient, Blocked, Client, PromptAnalysis
from scanner_client.integrations import chat, walks
from scanner_client.integrations.streaming import chat_chunks, chat_chunks_async

F = TypeVar("F", bound=Callable[..., Any])


def guard(completion: F, scanner: Client | AsyncClient | None = None) -> F:
    """
    `litellm.completion` or `litellm.acompletion`, or any function that is called like them, with the scanner around it.

    It raises `Blocked` for what must not be asked or shown, and `ScanFailed` if nobody knows.

    Raises:
        TypeError: one of the two is asynchronous and the other is not.
    """
    is_async = inspect.iscoroutinefunction(completion)
    scanner = scanner or (AsyncClient() if is_async else Client())
    if isinstance(scanner, AsyncClient) is not is_async:
        raise TypeError("acompletion needs an AsyncClient, completion a Client")
    around = _around_async if isinstance(scanner, AsyncClient) else _around
    return functools.wraps(completion)(around(completion, scanner))  # type: ignore[arg-type, return-value]


def _around(completion: Callable[..., Any], scanner: Client) -> Callable[..., Any]:
    def ask(*args: Any, **options: Any) -> Any:
        body, prompt = walks.run(chat.chat_request(_named(completion, args, options)), scanner)
        answer = completion(**body)
        if body.get("stream"):
            return chat_chunks(iter(answer), scanner, prompt)
        return walks.run(chat.chat_answer(answer), scanner, prompt)[0]

    return ask


def _around_async(completion: Callable[..., Any], scanner: AsyncClient) -> Callable[..., Any]:
    async def ask(*args: Any, **options: Any) -> Any:
        body, prompt = await walks.run_async(chat.chat_request(_named(completion, args, options)), scanner)
        answer = await completion(**body)
        if body.get("stream"):
            return chat_chunks_async(aiter(answer), scanner, prompt)
        return (await walks.run_async(chat.chat_answer(answer), scanner, prompt))[0]

    return ask


def _named(completion: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a call, all by name."""
    return dict(zip(inspect.signature(completion).parameters, args, strict=False)) | options


_KEPT = "_scanner_client_prompt"


class ScannerGuardrail(CustomGuardrail):  # type: ignore[misc]
    """
    A guardrail of LiteLLM's proxy; what is blocked is answered with status 400.

    Args:
        scanner: by default a client from the environment.
    """

    def __init__(self, scanner: AsyncClient | None = None, **settings: Any) -> None:
        super().__init__(**settings)
        self._scanner = scanner or AsyncClient()

    async def async_pre_call_hook(self, user_api_key_dict: Any, cache: Any, data: Any, call_type: str) -> Any:
        """Scan a request before it is sent."""
        if "messages" not in data:
            return data
        with _answered():
            body, prompt = await walks.run_async(chat.chat_request(data), self._scanner)
        data.update(body)
        data.setdefault("metadata", {})[_KEPT] = prompt
        return data

    async def async_post_call_success_hook(self, data: Any, user_api_key_dict: Any, response: Any) -> Any:
        """Scan an answer before it is returned."""
        if getattr(response, "choices", None) is None:
            return response
        with _answered():
            return (await walks.run_async(chat.chat_answer(response), self._scanner, _kept(data)))[0]

    async def async_post_call_streaming_iterator_hook(
        self, user_api_key_dict: Any, response: Any, request_data: Any
    ) -> AsyncIterator[Any]:
        """Scan a stream while it is returned."""
        with _answered():
            async for chunk in chat_chunks_async(aiter(response), self._scanner, _kept(request_data)):
                yield chunk


def _kept(data: Any) -> PromptAnalysis | None:
    return (data.get("metadata") or {}).get(_KEPT)


@contextlib.contextmanager
def _answered() -> Iterator[None]:
    """What is blocked becomes the status that LiteLLM's clients know."""
    try:
        yield
    except Blocked as verdict:
        from fastapi import HTTPException

        raise HTTPException(400, {"error": str(verdict), "scores": dict(verdict.scores)}) from verdict
