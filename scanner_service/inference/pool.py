"""The models of a worker: verified, loaded, warmed and tested at start, then asked by name."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from scanner_service.errors import ConfigError, ModelError, Overloaded
from scanner_service.inference.batcher import MAX_RUN_TOKENS, ONE_ROW, Batcher
from scanner_service.inference.classifier import Classifier, Reading
from scanner_service.inference.manifest import Manifest, ModelEntry
from scanner_service.scanner import ModelInfo, Prediction


@dataclass(slots=True)
class _Shared:
    """A run in flight and how many wait for it."""

    run: asyncio.Future[Sequence[Prediction]]
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

    async def start(self) -> None:
        """
        Load, verify, warm and test every model.

        Raises:
            ConfigError: if a path leaves the folder of the manifest.
            ModelError: naming the model, and the file if that is at fault.
        """
        for name in self.info:
            classifier = await asyncio.to_thread(self._load, name)
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

    @property
    def queued_windows(self) -> Mapping[str, int]:
        """How many windows wait, by model."""
        return {name: batcher.queued_rows for name, batcher in self._batchers.items()}

    async def room(self, models: Collection[str]) -> None:
        """Wait until each of *models* has so little before it that a further text is worth preparing."""
        for name in models:
            if name in self._batchers:
                await self._batchers[name].room()

    def read(self, model: str, text: str) -> Reading:
        """
        *text* as `predict` takes it for *model*. Takes its time, and belongs in a thread.

        Raises:
            ModelError: if the model is not loaded, or cannot read the text.
        """
        if model not in self._classifiers:
            raise ModelError(f"the model `{model}` is not loaded")
        return self._classifiers[model].read(text)

    def predict_at_once(self, model: str, reading: Reading) -> Sequence[Prediction] | None:
        """
        As `predict`, in the calling thread; nothing where that would have to wait, or takes more than one window.

        Raises:
            ModelError: if the model failed.
        """
        if len(reading.rows) != 1:
            return None
        said = self._batchers[model].at_once(reading.rows, partial(self._classifiers[model].judge, reading))
        if said is not None:
            self._tell(model, "text", 1)
        return said

    async def predict(self, model: str, reading: Reading) -> Sequence[Prediction]:
        """
        What *model* says about the text that it has read: for each window and label, or each entity, a prediction;
        nothing about a text without tokens.

        Equal calls in flight share one run, which goes on as long as one of the callers waits.

        Raises:
            ModelError: if the model failed.
            Overloaded: if too many windows wait, or the pool is closed.
        """
        if self._closed:
            raise Overloaded("the service is shutting down")
        if not len(reading.rows):
            return self._classifiers[model].unread(reading.text)
        key = model, reading.text
        if key not in self._shared:
            self._shared[key] = _Shared(self._run(model, reading))
        shared = self._shared[key]
        shared.waiting += 1
        try:
            return await asyncio.shield(shared.run)
        finally:
            shared.waiting -= 1
            if shared.run.done() or not shared.waiting:
                shared.run.cancel()
                if self._shared.get(key) is shared:
                    del self._shared[key]

    def _run(self, model: str, reading: Reading) -> asyncio.Future[Sequence[Prediction]]:
        run = self._batchers[model].submit(reading.rows, partial(self._classifiers[model].judge, reading))
        self._tell(model, "text", len(reading.rows))
        return run

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
        said = await self.predict(name, self.read(name, entry.self_test))
        scores = [one.score for one in said if one.label == label]
        if max(scores, default=0.0) < needed:
            raise ModelError(
                f"{self._manifest.path}: model `{name}` failed its self-test: "
                f"`{label}` must reach {needed:.3f} and scores {max(scores, default=0.0):.3f}"
            )
