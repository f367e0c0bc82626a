"""`Client`: the conversation of `protocol`, carried out with a pool of connections that threads share."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

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


class Client:
    """
    Asks a scanner service about prompts and outputs. One client serves all threads, and processes that are forked.

    Args:
        url: `http://`, `https://` or `unix:///path`; `SCANNER_URL` or `LLM_GUARD_URL` if None.
        api_key: `SCANNER_API_KEY` or `LLM_GUARD_API_KEY` if None; "" for none at all.
        timeout: seconds that a call may take, all its retries included; looked at between the reads of an answer.
        max_retries: after a lost connection, an overload and the like.
        on_unavailable: what becomes of a text while the service can't be asked: "raise" `Unavailable`,
            "block" it, or "allow" it. With "allow", whoever can slow the service down gets past it.
        headers: more headers for every request.
        http_client: an `httpx2.Client` to use, and to close yourself.

    Raises:
        ValueError: there is no URL, or an argument is none of what it may be.
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
        http_client: httpx2.Client | None = None,
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
        self._pool = os.getpid(), http_client or _connect(self._settings)
        self.usage = Usage()

    def analyze_prompt(self, prompt: str, **options: Unpack[PromptOptions]) -> PromptAnalysis:
        """
        What the service says about *prompt*, valid or not.

        Raises:
            ScanFailed: it says nothing.
        """
        return self._carry_out(self._settings.protocol.prompt(prompt, options))

    def analyze_output(
        self, output: str, *, prompt: str | PromptAnalysis = "", **options: Unpack[Options]
    ) -> OutputAnalysis:
        """
        What the service says about *output*, valid or not.

        Args:
            prompt: what it answers. Given the analysis of the prompt, redacted values are put back.

        Raises:
            ScanFailed: it says nothing.
        """
        return self._carry_out(self._settings.protocol.output(output, prompt, options))

    def check_prompt(self, prompt: str, **options: Unpack[PromptOptions]) -> PromptAnalysis:
        """
        As `analyze_prompt`, for a prompt that may be used.

        Raises:
            MaliciousPrompt: it must not be used.
            ScanFailed: nobody knows.
        """
        return self.analyze_prompt(prompt, **options).raise_if_blocked()

    def check_output(
        self, output: str, *, prompt: str | PromptAnalysis = "", **options: Unpack[Options]
    ) -> OutputAnalysis:
        """
        As `analyze_output`, for an output that may be shown.

        Raises:
            MaliciousOutput: it must not be shown.
            ScanFailed: nobody knows.
        """
        return self.analyze_output(output, prompt=prompt, **options).raise_if_blocked()

    def analyze_prompts(self, prompts: Sequence[str], **options: Unpack[Options]) -> list[BatchItem]:
        """
        What the service says about each of *prompts*, in their order, asked in one request.

        The failure of one prompt is a value in its place.

        Raises:
            ScanFailed: there is no answer about any of them.
        """
        return self._carry_out(self._settings.protocol.prompts(prompts, options))

    def analyze_many(
        self,
        prompts: Iterable[str],
        *,
        max_workers: int = 8,
        max_requests_per_minute: int | None = None,
        progress: bool = False,
        **options: Unpack[PromptOptions],
    ) -> list[BatchItem]:
        """
        What the service says about each of *prompts*, in their order, asked one by one from several threads.

        Every failure is a value in its place; none is raised.

        Args:
            max_requests_per_minute: retries count; needs the extra `rate-limit`.
            progress: a progress bar, if standard error is a terminal; needs the extra `progress`.

        Raises:
            ValueError: *max_workers* or *max_requests_per_minute* is under 1.
        """
        several(prompts)
        throttle = many.throttle(max_requests_per_minute)

        def analyze(prompt: str) -> BatchItem:
            try:
                return self._carry_out(self._settings.protocol.prompt(prompt, options), throttle)
            except ScanFailed as failure:
                return as_value(failure)

        return many.in_threads(analyze, prompts, max_workers, progress=progress)

    def shield(self, prompt: str, llm_call: Callable[[], T], **options: Unpack[PromptOptions]) -> T:
        """
        What *llm_call* returns, called in a thread while *prompt* is scanned; nothing before the verdict.

        A malicious prompt raises at once; the call is left alone then, and what it returns is closed, unseen.
        The call uses the prompt as it is: where values are to be redacted first, use `check_prompt`.

        Raises:
            MaliciousPrompt: the prompt must not be used.
            ScanFailed: nobody knows.
        """
        return shields.in_thread(lambda: self.check_prompt(prompt, **options), llm_call)

    def stream_output(
        self, pieces: Iterable[str], *, prompt: str | PromptAnalysis = "", **options: Unpack[Options]
    ) -> Iterator[str]:
        """
        The text of *pieces*, as far as it is safe to show, as soon as it is.

        Raises:
            MaliciousOutput: while iterating; what was yielded before was safe, the rest is held back.
            ScanFailed: while iterating, whatever *on_unavailable* is: half an output can't be excused.

        The timeout begins when all pieces are sent. An injected `http_client` reads the answer only then: all texts
        come at the end.
        """
        timeout, _ = self._settings.protocol.limits(options)
        if not self._owned:
            return self._stream(pieces, prompt, options, timeout)
        from scanner_client import live
        from scanner_client.exchange import Exchange

        exchange = Exchange(self._settings, prompt, options)
        return live.scan(exchange, self._settings, self.usage, pieces, timeout)

    def close(self) -> None:
        """Close the connections; an injected `http_client` is left open."""
        if self._owned:
            self._http().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _http(self) -> httpx2.Client:
        """The connections of this process: on those that a fork has copied, one would read the answers of another."""
        process, http = self._pool
        if self._owned and process != os.getpid():
            http = _connect(self._settings)
            self._pool = os.getpid(), http
        return http

    def _stream(
        self, pieces: Iterable[str], prompt: str | PromptAnalysis, options: Options, timeout: float
    ) -> Iterator[str]:
        transcript = streams.Transcript()
        lines = streams.lines(streams.first_line(prompt, options), streams.begun(pieces))
        request = self._settings.request(streams.PATH, lines, streams.headers(options), timeout)
        with self.usage.stream(transcript):
            try:
                with self._http().stream("POST", **request) as response:
                    reply = _reply(self._settings, response, time.monotonic() + timeout)
            except httpx2.RequestError as error:
                raise lost(self._settings.loss(error)) from error
            if reply.status != 200:
                raise failure_of(reply)
            yield from transcript.feed(reply.body)
            transcript.close()

    def _carry_out(self, flow: Flow[T], throttle: many.Throttle | None = None) -> T:
        started, sent = time.perf_counter(), 0
        outcomes: Sequence[Analysis | ScanFailed] = ()
        came: Reply | Lost | None = None
        try:
            while True:
                step = flow.send(came)
                sent += not isinstance(step, Pause)
                came = self._do(step, throttle)
        except StopIteration as end:
            result: T = end.value
            outcomes = result if isinstance(result, list) else [result]  # type: ignore[list-item]
            return result
        except ScanFailed as failure:
            outcomes = [failure]
            raise
        finally:
            self.usage.record(outcomes, time.perf_counter() - started, max(sent - 1, 0))

    def _do(self, step: Step, throttle: many.Throttle | None) -> Reply | Lost | None:
        if isinstance(step, Pause):
            time.sleep(step.seconds)
            return None
        if throttle:
            throttle.wait()
        deadline = time.monotonic() + step.timeout
        request = self._settings.request(step.path, step.body, step.headers, step.timeout)
        try:
            with self._http().stream("POST", **request) as response:
                return _reply(self._settings, response, deadline)
        except httpx2.RequestError as error:
            return self._settings.loss(error)


def _reply(settings: Settings, response: httpx2.Response, deadline: float) -> Reply:
    """
    The whole of *response*. The timeouts of `httpx2` begin anew with each read, so the clock is looked at in between.

    Raises:
        httpx2.ReadTimeout: it is not whole by *deadline*.
    """
    pieces = []
    for piece in response.iter_bytes():
        pieces.append(piece)
        if time.monotonic() > deadline:
            raise httpx2.ReadTimeout("the answer came too slowly")
    return settings.reply(response.status_code, response.headers, b"".join(pieces))


def _connect(settings: Settings) -> httpx2.Client:
    if settings.socket:
        transport = httpx2.HTTPTransport(verify=certificates(), uds=settings.socket, limits=POOL)
        return httpx2.Client(transport=transport)
    return httpx2.Client(verify=certificates(), limits=POOL)
