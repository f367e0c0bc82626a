"""The command `scanner-service calibrate`: thresholds for a rule, chosen on one's own traffic."""

from __future__ import annotations

import math
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from scanner_service.assembly import Assembly
from scanner_service.calibration import LabelScores, choose_thresholds, rate
from scanner_service.engine import Engine
from scanner_service.errors import ConfigError, ModelError
from scanner_service.findings import Action
from scanner_service.policy import Rule

PROGRESS_EVERY = 50
ENOUGH = 1000  # harmless texts; with fewer, a rate of half a percent rests on a handful of them


class _Line(msgspec.Struct):
    text: str


def read_texts(path: Path) -> list[str]:
    """
    The texts in a file: one for each line, or the field `text` of each line if the file is JSON Lines.

    Raises:
        ConfigError: if it cannot be read, holds no text, or a line of JSON Lines has no `text`.
    """
    try:
        lines = {at: line for at, line in enumerate(path.read_text("utf-8").split("\n"), 1) if line.strip()}
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8") from None
    if not lines:
        raise ConfigError(f"{path}: holds no text")
    return [_text(f"{path}:{at}", line) if path.suffix == ".jsonl" else line for at, line in lines.items()]


def _text(where: str, line: str) -> str:
    try:
        return msgspec.json.decode(line, type=_Line).text
    except msgspec.DecodeError:
        raise ConfigError(f"{where}: not an object of JSON with a field `text`") from None


def needed(target_fpr: float) -> int:
    """How many harmless texts it takes for *target_fpr* of them to be one; with fewer, a threshold is an accident."""
    return math.ceil(1 / target_fpr) if target_fpr else ENOUGH


async def calibrate(
    assembly: Assembly, rule: Rule, benign: Sequence[str], attacks: Sequence[str], target_fpr: float
) -> Mapping[str, float]:
    """
    Choose thresholds for every label of *rule* and print what follows from them.

    Raises:
        ModelError: if a text could not be scanned.
    """
    pool = assembly.make_pool()
    engine = Engine(pool, assembly.config.scan_timeout_seconds)
    try:
        await pool.start()
        harmless = [scores async for scores in _measure(engine, rule, benign, "benign")]
        harmful = [scores async for scores in _measure(engine, rule, attacks, "attacks")]
    finally:
        engine.close()
        await pool.aclose()
    labels = sorted({label for scores in [*harmless, *harmful] for label in scores})
    chosen = choose_thresholds(harmless, labels, target_fpr)
    print(f"{'label':<24}{'threshold':>10}  benign stopped")
    for label, threshold in chosen.items():
        print(f"{label:<24}{threshold:>10.6f}  {rate(harmless, {label: threshold})}")
    print(f"\nby any label: {rate(harmless, chosen)} of benign texts, {rate(harmful, chosen)} of attacks")
    before = {label: rule.thresholds.get(label, rule.threshold) for label in labels}
    print(f"until now:    {rate(harmless, before)} of benign texts, {rate(harmful, before)} of attacks")
    if len(harmless) < ENOUGH:
        print(f"\n{len(harmless)} benign texts are few: the interval says how little is known. {ENOUGH} are enough.")
    return chosen


def measuring(rule: Rule) -> Rule:
    """*rule* as a measuring device: it reports every score and does nothing about it."""
    return replace(rule, threshold=0.0, thresholds={}, action=Action.MONITOR, stops=False)


async def _measure(engine: Engine, rule: Rule, texts: Sequence[str], name: str) -> AsyncIterator[LabelScores]:
    bare = measuring(rule)
    for number, text in enumerate(texts, 1):
        result = (await engine.scan([bare], text)).results[0]
        if result.error:
            raise ModelError(f"{name}, text {number}: {rule.name} could not run: {result.error}")
        scores: dict[str, float] = {}
        for finding in result.findings:
            scores[finding.label] = max(finding.score, scores.get(finding.label, 0.0))
        yield scores
        if sys.stderr.isatty() and (number % PROGRESS_EVERY == 0 or number == len(texts)):
            print(f"\r{name}: {number} of {len(texts)}", end="\n" if number == len(texts) else "", file=sys.stderr)
