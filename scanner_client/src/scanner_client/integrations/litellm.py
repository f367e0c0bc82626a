"""
For LiteLLM: `guard(litellm.completion)` in your code, `ScannerGuardrail` in its proxy.

    guardrails:
      - guardrail_name: scanner
        litellm_params:
          guardrail: scanner_client.integrations.litellm.ScannerGuardrail
          mode: [pre_call, post_call]
          default_on: true

Without `default_on` only those are guarded who ask for it. Chat completions, responses, plain completions and messages
of Anthropic's are scanned; of streams, those of chat completions. Embeddings, pictures, sound and files pass unscanned,
and what else the proxy can do is refused.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, TypeVar

from litellm.integrations.custom_guardrail import CustomGuardrail
from litellm.types.guardrails import GuardrailEventHooks

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
        body, prompt = walks.run(chat.request(_named(completion, args, options)), scanner)
        answer = completion(**body)
        if body.get("stream"):
            return chat_chunks(iter(answer), scanner, prompt)
        return walks.run(chat.answer(answer), scanner, prompt)[0]

    return ask


def _around_async(completion: Callable[..., Any], scanner: AsyncClient) -> Callable[..., Any]:
    async def ask(*args: Any, **options: Any) -> Any:
        body, prompt = await walks.run_async(chat.request(_named(completion, args, options)), scanner)
        answer = await completion(**body)
        if body.get("stream"):
            return chat_chunks_async(aiter(answer), scanner, prompt)
        return (await walks.run_async(chat.answer(answer), scanner, prompt))[0]

    return ask


def _named(completion: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a call, all by name."""
    return dict(zip(inspect.signature(completion).parameters, args, strict=False)) | options


_KEPT = "_scanner_client_prompt"

_HOOKS = (GuardrailEventHooks.pre_call, GuardrailEventHooks.post_call)

# Types of calls; the asynchronous ones have an `a` before them.
_SCANNED = frozenset({"completion", "text_completion", "responses", "compact_responses", "anthropic_messages"})
_PASSED = frozenset(
    {"embedding", "embeddings", "moderation", "rerank", "search", "ocr"}
    | {"image_generation", "image_edit", "speech", "transcription", "audio_transcription"}
    | {"get_responses", "delete_responses", "cancel_responses", "list_input_items"}
    | {"create_file", "file_retrieve", "file_list", "file_delete", "file_content"}
)


class ScannerGuardrail(CustomGuardrail):  # type: ignore[misc]
    """
    A guardrail of LiteLLM's proxy; what is blocked or can't be scanned is answered with status 400.

    Args:
        scanner: by default a client from the environment.

    Raises:
        ValueError: the mode is neither `pre_call` nor `post_call` nor both. `during_call`, for one, would let values
            leave before they are replaced.
    """

    def __init__(self, scanner: AsyncClient | None = None, **settings: Any) -> None:
        super().__init__(**{"supported_event_hooks": list(_HOOKS), **settings})
        self._scanner = scanner or AsyncClient()

    @classmethod
    def get_supported_event_hooks(cls) -> list[GuardrailEventHooks]:
        """As LiteLLM's page of guardrails shows them."""
        return list(_HOOKS)

    async def async_pre_call_hook(self, user_api_key_dict: Any, cache: Any, data: Any, call_type: str) -> Any:
        """Scan a request before it is sent."""
        kinds = {str(call_type), str(call_type).removeprefix("a")}
        if kinds & _PASSED:
            return data
        with _answered():
            if not kinds & _SCANNED:
                raise walks.Unscannable(f"the scanner can't read calls of the type {call_type}")
            body, prompt = await walks.run_async(chat.request(data), self._scanner)
        data.update(body)
        data.setdefault(_metadata(data), {})[_KEPT] = prompt
        return data

    async def async_post_call_success_hook(self, data: Any, user_api_key_dict: Any, response: Any) -> Any:
        """Scan an answer before it is returned."""
        is_message = isinstance(response, dict) and response.get("type") == "message"
        if not is_message and not hasattr(response, "choices") and not hasattr(response, "output"):
            return response  # an embedding, a picture: what else could be asked for
        with _answered():
            return (await walks.run_async(chat.answer(response), self._scanner, _kept(data)))[0]

    async def async_post_call_streaming_iterator_hook(
        self, user_api_key_dict: Any, response: Any, request_data: Any
    ) -> AsyncIterator[Any]:
        """Scan a stream while it is returned."""
        with _answered():
            async for chunk in chat_chunks_async(aiter(response), self._scanner, _kept(request_data)):
                yield chunk


def _metadata(data: Any) -> str:
    """Where LiteLLM keeps what is its own; in a response, `metadata` is what the caller has stored."""
    return "litellm_metadata" if "litellm_metadata" in data else "metadata"


def _kept(data: Any) -> PromptAnalysis | None:
    return (data.get(_metadata(data)) or {}).get(_KEPT)


@contextlib.contextmanager
def _answered() -> Iterator[None]:
    """What is refused becomes the status that LiteLLM's clients know."""
    try:
        yield
    except (Blocked, walks.Unscannable) as reason:
        from fastapi import HTTPException

        scores = {"scores": dict(reason.scores)} if isinstance(reason, Blocked) else {}
        raise HTTPException(400, {"error": str(reason), **scores}) from reason
