"""The stages in order, and what each reads and writes."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Callable, Mapping

from training import sources


def _listed(text: str) -> list[str]:
    return [part for part in text.split(",") if part]


def data(options: Namespace) -> object:
    from training import data as stage

    split = sources.split(sources.read_table(), _listed(options.licences), _listed(options.hold_out))
    return stage.run(options.data, options.work, split)


def augment(options: Namespace) -> object:
    from training import augment as stage

    return stage.run(options.work)


def teach(options: Namespace) -> object:
    from training import teach as stage

    return stage.run(options.work, sources.read_table(), options.scale, options.processes, options.start)


def train(options: Namespace) -> object:
    from training import train as stage

    table = sources.read_table()
    return stage.run(options.work, table, options.rounds, options.scale, options.processes, options.start)


def export(options: Namespace) -> object:
    from training import export as stage

    return stage.run(options.work, options.out, options.start, options.keep)


def quantize(options: Namespace) -> object:
    from training import quantize as stage

    report = stage.run(options.work, options.out)
    options.results.mkdir(parents=True, exist_ok=True)
    (options.results / "guard_quantization.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return report


def calibrate(options: Namespace) -> object:
    from training import calibrate as stage

    return stage.run(options.work, options.out, options.results, options.limit)


def evaluate(options: Namespace) -> object:
    from training import evaluate as stage

    return stage.run(options.work, options.out, options.results, options.limit)


def card(options: Namespace) -> object:
    from training import card as stage
    from training.data import split_of

    return stage.run(options.work, options.out, options.results, split_of(options.work, sources.read_table()))


def ablate(options: Namespace) -> object:
    from training import ablate as stage

    table = sources.read_table()
    work, results, scale = options.work, options.results, options.scale
    return stage.run(work, results, table, scale, options.processes, options.start, options.only)


STAGES: Mapping[str, Callable[[Namespace], object]] = {
    "data": data,
    "augment": augment,
    "teach": teach,
    "train": train,
    "export": export,
    "quantize": quantize,
    "calibrate": calibrate,
    "evaluate": evaluate,
    "card": card,
}
ORDER = tuple(STAGES)  # of `all`
APART: Mapping[str, Callable[[Namespace], object]] = {"ablate": ablate}


def run(stage: str, options: Namespace) -> None:
    """Runs one stage and prints what it reports."""
    print(json.dumps({stage: (STAGES | APART)[stage](options)}, default=str), flush=True)
