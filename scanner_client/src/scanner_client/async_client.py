"""`AsyncClient`: the conversation of `protocol`, carried out on an event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import httpx2

from scanner_client import many, shields, streams
from scanner_client.answers import BatchItem, Lost, Reply, failure_of, lost
from scanner_client.errors import ScanFailed
from scanner_client.protocol import Flow, OnUnavailable, Pause, Step, as_value, several
from scanner_client.results import Analysis, OutputAnalysis, PromptAnalysis
from scanner_client.settings import POOL, Settings, certificates
from scanner_client.usage import Usage

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from scanner_client.options import Options, PromptOptions

T = TypeVar("T")


class AsyncClient:
    """
    `Client` for asyncio: the same arguments, the same methods, the same errors; see there.

    Args:
        http_client: an `httpx2.AsyncClient` to use, and to close yourself.
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        timeout: float = 10.0,
        max_retries: int = 2,
        on_unavailable: OnUnavailable = "raise",
        headers: Mapping[str, str] | None = None,
        http_client: httpx2.AsyncClient | None = None,
    ) -> None:
        self._settings = Settings.read(
            url,
            api_key,
            timeout=timeout,
            max_retries=max_retries,
            on_unavailable=on_unavailable,
            headers=headers,
        )
        self._owned = http_client is None
        # By event loop; under None the connections that no loop has used yet, or those that were given.
        self._pools: dict[asyncio.AbstractEventLoop | None, httpx2.AsyncClient] = {
            None: http_client or _connect(self._settings)
        }
        self.usage = Usage()

    async def analyze_prompt(self, prompt: str, **options: Unpack[PromptOptions]) -> PromptAnalysis:
        """As `Client.analyze_prompt`."""
        return await self._carry_out(self._settings.protocol.prompt(prompt, options))

    async def analyze_output(
        self, output: str, *, prompt: str | PromptAnalysis = "", **options: Unpack[Options]
    ) -> OutputAnalysis:
        """As `Client.analyze_output`."""
        return await self._carry_out(self._settings.protocol.output(output, prompt, options))

    async def check_prompt(self, prompt: str, **options: Unpack[PromptOptions]) -> PromptAnalysis:
        """As `Client.check_prompt`."""
        return (await self.analyze_prompt(prompt, **options)).raise_if_blocked()

    async def check_output(
        self, output: str, *, prompt: str | PromptAnalysis = "", **options: Unpack[Options]
    ) -> OutputAnalysis:
        """As `Client.check_output`."""
        return (await self.analyze_output(output, prompt=prompt, **options)).raise_if_blocked()

    async def analyze_prompts(self, prompts: Sequence[str], **options: Unpack[Options]) -> list[BatchItem]:
        """As `Client.analyze_prompts`."""
        return await self._carry_out(self._settings.protocol.prompts(prompts, options))

    async def analyze_many(
        self,
        prompts: Iterable[str],
        *,
        max_workers: int = 8,
        max_requests_per_minute: int | None = None,
        progress: bool = False,
        **options: Unpack[PromptOptions],
    ) -> list[BatchItem]:
        """As `Client.analyze_many`, from *max_workers* tasks."""
        several(prompts)
        throttle = many.throttle(max_requests_per_minute)

        async def analyze(prompt: str) -> BatchItem:
            try:
                return await self._carry_out(self._settings.protocol.prompt(prompt, options), throttle)
            except ScanFailed as failure:
                return as_value(failure)

        return await many.in_tasks(analyze, prompts, max_workers, progress=progress)

    async def shield(
        self, prompt: str, llm_call: Callable[[], Any] | Awaitable[T], **options: Unpack[PromptOptions]
    ) -> T | Any:
        """
        What *llm_call* comes to, begun while *prompt* is scanned; nothing before the verdict.

        A malicious prompt cancels the call. A stream, too, is handed out only after the verdict.
        The call uses the prompt as it is: where values are to be redacted first, use `check_prompt`.

        Args:
            llm_call: an awaitable, or a function that gives one or an asynchronous generator.

        Raises:
            MaliciousPrompt: the prompt must not be used.
            ScanFailed: nobody knows.
        """
        return await shields.in_task(self.check_prompt(prompt, **options), llm_call)

    def stream_output(
        self,
        pieces: Iterable[str] | AsyncIterable[str],
        *,
        prompt: str | PromptAnalysis = "",
        **options: Unpack[Options],
    ) -> AsyncIterator[str]:
        """As `Client.stream_output`."""
        timeout, _ = self._settings.protocol.limits(options)
        if not self._owned:
            return self._stream(pieces, prompt, options, timeout)
        from scanner_client import live
        from scanner_client.exchange import Exchange

        exchange = Exchange(self._settings, prompt, options)
        return live.scan_async(exchange, self._settings, self.usage, pieces, timeout)

    async def aclose(self) -> None:
        """Close the connections of the running loop; an injected `http_client` is left open."""
        if self._owned:
            await self._http().aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def _http(self) -> httpx2.AsyncClient:
        """The connections of the running loop: those of another one, which may be closed, can't be used here."""
        loop = asyncio.get_running_loop() if self._owned else None
        if loop not in self._pools:
            for known in list(self._pools):
                if known is not None and known.is_closed():
                    self._pools.pop(known, None)
            unused = self._pools.pop(None, None)
            self._pools[loop] = unused or _connect(self._settings)
        return self._pools[loop]

    async def _stream(
        self,
        pieces: Iterable[str] | AsyncIterable[str],
        prompt: str | PromptAnalysis,
        options: Options,
        timeout: float,
    ) -> AsyncIterator[str]:
        transcript = streams.Transcript()
        lines = streams.lines_async(streams.first_line(prompt, options), await streams.begun_async(pieces))
        request = self._settings.request(streams.PATH, lines, streams.headers(options), timeout)
        with self.usage.stream(transcript):
            try:
                async with self._http().stream("POST", **request) as response:
                    body = await _in_time(response.aread(), timeout)
            except httpx2.RequestError as error:
                raise lost(self._settings.loss(error)) from error
            if response.status_code != 200:
                raise failure_of(self._settings.reply(response.status_code, response.headers, body))
            for text in transcript.feed(body):
                yield text
            transcript.close()

    async def _carry_out(self, flow: Flow[T], throttle: many.Throttle | None = None) -> T:
        started, sent = time.perf_counter(), 0
        outcomes: Sequence[Analysis | ScanFailed] = ()
        came: Reply | Lost | None = None
        try:
            while True:
                step = flow.send(came)
                sent += not isinstance(step, Pause)
                came = await self._do(step, throttle)
        except StopIteration as end:
            result: T = end.value
            outcomes = result if isinstance(result, list) else [result]  # type: ignore[list-item]
            return result
        except ScanFailed as failure:
            outcomes = [failure]
            raise
        finally:
            self.usage.record(outcomes, time.perf_counter() - started, max(sent - 1, 0))

    async def _do(self, step: Step, throttle: many.Throttle | None) -> Reply | Lost | None:
        if isinstance(step, Pause):
            await asyncio.sleep(step.seconds)
            return None
        if throttle:
            await throttle.wait_async()
        request = self._settings.request(step.path, step.body, step.headers, step.timeout)
        try:
            response = await _in_time(self._http().post(**request), step.timeout)
        except httpx2.RequestError as error:
            return self._settings.loss(error)
        return self._settings.reply(response.status_code, response.headers, response.content)


async def _in_time(answer: Awaitable[T], seconds: float) -> T:
    """
    What *answer* comes to. The timeouts of `httpx2` begin anew with each read; this one doesn't.

    Raises:
        httpx2.ReadTimeout: it is not whole after *seconds*.
    """
    try:
        return await asyncio.wait_for(answer, seconds)
    except asyncio.TimeoutError:
        raise httpx2.ReadTimeout("the answer came too slowly") from None


def _connect(settings: Settings) -> httpx2.AsyncClient:
    if settings.socket:
        transport = httpx2.AsyncHTTPTransport(verify=certificates(), uds=settings.socket, limits=POOL)
        return httpx2.AsyncClient(transport=transport)
    return httpx2.AsyncClient(verify=certificates(), limits=POOL)
