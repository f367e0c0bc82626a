"""The service's own chain, in process: views, windows, models and policy, without HTTP."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from types import TracebackType

from scanner_service import registry
from scanner_service.assembly import assemble
from scanner_service.calibrate import measuring
from scanner_service.engine import Engine
from scanner_service.findings import Action, Finding, ScanResult
from scanner_service.inference.classifier import Classifier
from scanner_service.policy import Rule

TIMEOUT_SECONDS = 120.0


class Shipped:
    """
    The configured policy, ready to scan; a context manager.

    Attributes:
        rules: those for prompts, by name.
        digest: the SHA-256 of the first model.
    """

    def __init__(self) -> None:
        self._assembly = assemble(os.environ)
        policy = self._assembly.policies[self._assembly.config.default_policy]
        self.rules = {rule.name: rule for rule in policy.prompt}
        self.digest = self._assembly.manifest.models[self._assembly.models[0]].sha256

    def __enter__(self) -> Shipped:
        self._runner = asyncio.Runner()
        self._pool = self._assembly.make_pool()
        self._runner.run(self._pool.start())
        self._engine = Engine(self._pool, TIMEOUT_SECONDS)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._engine.close()
        self._runner.run(self._pool.aclose())
        self._runner.close()

    def scan(self, text: str, rules: Sequence[Rule] | None = None) -> ScanResult:
        """What the policy, or *rules* instead, says about *text*."""
        return self._runner.run(self._engine.scan(rules or list(self.rules.values()), text))

    def seconds(self, text: str, rules: Sequence[Rule]) -> float:
        """How long somebody waits for a scan; an event loop runs before and after, as it does in the service."""

        async def waited() -> float:
            started = time.perf_counter()
            await self._engine.scan(rules, text)
            return time.perf_counter() - started

        return self._runner.run(waited())

    def findings(self, text: str, rules: Sequence[Rule]) -> Mapping[str, Sequence[Finding]]:
        """Everything that *rules* see, whatever its score, by rule."""
        results = self.scan(text, [measuring(rule) for rule in rules]).results
        if failed := [one.scanner for one in results if one.error]:
            raise RuntimeError(f"could not run: {', '.join(failed)}")
        return {one.scanner: one.findings for one in results}

    def threshold(self, rule: str, label: str) -> float:
        """What the policy holds the scores of *label* against."""
        return self.rules[rule].thresholds.get(label, self.rules[rule].threshold)

    def entity_rule(self, labels: Sequence[str]) -> Rule:
        """A rule that finds named entities with the shipped model, at its calibrated thresholds."""
        kind = registry.find("pii")
        info = self._pool.info
        scanner = kind.build(kind.Config(model="guard", entities=list(labels)), info)
        thresholds = {label: at for label, at in info["guard"].thresholds.items() if label in labels}
        return Rule(name="entities", kind="pii", scanner=scanner, action=Action.REDACT, thresholds=thresholds)


def classifier() -> Classifier:
    """The first model of the configured policy, by itself."""
    assembly = assemble(os.environ)
    name, manifest = assembly.models[0], assembly.manifest
    return Classifier(manifest.models[name], manifest.read_model(name), manifest.read_tokenizer(name))


def highest(findings: Sequence[Finding], label: str) -> float:
    """The highest score that *label* has among *findings*; 0 without one."""
    return max((finding.score for finding in findings if finding.label == label), default=0.0)
