"""The models of a worker: verified, loaded, warmed and tested at start, then asked by name."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from scanner_service.errors import ConfigError, ModelError, Overloaded
from scanner_service.inference.batcher import MAX_RUN_TOKENS, ONE_ROW, Batcher
from scanner_service.inference.classifier import Classifier
from scanner_service.inference.manifest import Manifest, ModelEntry
from scanner_service.scanner import ModelInfo, Prediction

# One reads short texts while the other is busy with a long one.
READ_THREADS = 2


@dataclass(slots=True)
class _Shared:
    """A call in flight and how many wait for it."""

    task: asyncio.Task[Sequence[Prediction]]
    waiting: int = 0


class ModelPool:
    """
    Answers what models say about texts. Make and start it in the worker, after the fork.

    Args:
        manifest: where the models are.
        names: of the models to load; the others are not touched.
        max_queued_windows: how many windows may wait for each model.
        count: told how many windows a model was given: its name, `text` or `run`, and the windows of that.

    Attributes:
        info: the models that are loaded, or will be at start, by name.
        ready: whether every model is loaded, verified, warmed, and has passed its self-test.

    Raises:
        ConfigError: if a name is not in the manifest.
    """

    def __init__(
        self,
        manifest: Manifest,
        names: Collection[str],
        *,
        max_queued_windows: int = 16_384,
        count: Callable[[str, str, int], object] = lambda *_: None,
    ) -> None:
        info = manifest.info()
        if missing := sorted(set(names) - set(info)):
            raise ConfigError(f"{manifest.path}: there is no model `{missing[0]}`; there are: {', '.join(info)}")
        self.info: Mapping[str, ModelInfo] = {name: info[name] for name in dict.fromkeys(names)}
        self.ready = False
        self._closed = False
        self._manifest = manifest
        self._max_queued_windows = max_queued_windows
        self._count = count
        self._classifiers: dict[str, Classifier] = {}
        self._batchers: dict[str, Batcher] = {}
        self._shared: dict[tuple[str, str], _Shared] = {}
        self._threads = ThreadPoolExecutor(READ_THREADS, thread_name_prefix="read")

    async def start(self) -> None:
        """
        Load, verify, warm and test every model.

        Raises:
            ConfigError: if a path leaves the folder of the manifest.
            ModelError: naming the model, and the file if that is at fault.
        """
        for name in self.info:
            classifier = await asyncio.get_running_loop().run_in_executor(self._threads, self._load, name)
            self._classifiers[name] = classifier
            self._batchers[name] = Batcher(
                classifier.session.run,
                max_run_tokens=MAX_RUN_TOKENS if classifier.session.rows_are_independent else ONE_ROW,
                max_queued_rows=self._max_queued_windows,
                count=partial(self._tell, name, "run"),
            )
            await self._test(name, classifier.entry)
        self.ready = True

    async def aclose(self) -> None:
        """Let runs in progress end; calls that still wait raise `Overloaded`."""
        self.ready, self._closed = False, True
        for batcher in self._batchers.values():
            await batcher.aclose()
        self._threads.shutdown(wait=False, cancel_futures=True)

    @property
    def queued_windows(self) -> Mapping[str, int]:
        """How many windows wait, by model."""
        return {name: batcher.queued_rows for name, batcher in self._batchers.items()}

    async def predict(self, model: str, text: str) -> Sequence[Prediction]:
        """
        What *model* says about *text*: for each window and label, or each entity, a prediction; nothing about a text
        without tokens.

        Equal calls in flight share one run, which goes on as long as one of the callers waits.

        Raises:
            ModelError: if the model is not loaded or failed.
            Overloaded: if too many windows wait, or the pool is closed.
        """
        if self._closed:
            raise Overloaded("the service is shutting down")
        if model not in self._classifiers:
            raise ModelError(f"the model `{model}` is not loaded")
        key = model, text
        if key not in self._shared:
            self._shared[key] = _Shared(asyncio.create_task(self._predict(model, text)))
        shared = self._shared[key]
        shared.waiting += 1
        try:
            return await asyncio.shield(shared.task)
        finally:
            shared.waiting -= 1
            if shared.task.done() or not shared.waiting:
                shared.task.cancel()
                if self._shared.get(key) is shared:
                    del self._shared[key]

    async def _predict(self, model: str, text: str) -> Sequence[Prediction]:
        classifier = self._classifiers[model]
        reading = await asyncio.get_running_loop().run_in_executor(self._threads, classifier.read, text)
        if not len(reading.rows):
            return classifier.unread(text)
        self._tell(model, "text", len(reading.rows))
        return await self._batchers[model].run(reading.rows, lambda outputs: classifier.judge(reading, outputs))

    def _tell(self, model: str, per: str, windows: int) -> None:
        if self.ready:  # a self-test is nobody's text
            self._count(model, per, windows)

    def _load(self, name: str) -> Classifier:
        model, tokenizer = self._manifest.read_model(name), self._manifest.read_tokenizer(name)
        try:
            return Classifier(self._manifest.models[name], model, tokenizer)
        except ModelError as error:
            raise ModelError(f"{self._manifest.path}: model `{name}`: {error}") from None

    async def _test(self, name: str, entry: ModelEntry) -> None:
        if entry.self_test is None:
            return
        label = entry.heads[0].labels[0]
        needed = entry.heads[0].thresholds.get(label, 0.5)
        scores = [said.score for said in await self.predict(name, entry.self_test) if said.label == label]
        if max(scores, default=0.0) < needed:
            raise ModelError(
                f"{self._manifest.path}: model `{name}` failed its self-test: "
                f"`{label}` must reach {needed:.3f} and scores {max(scores, default=0.0):.3f}"
            )
