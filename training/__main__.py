"""`python -m training STAGE`: data, augment, teach, train, export, quantize, calibrate, evaluate, card, all; ablate."""

from __future__ import annotations

import argparse
from pathlib import Path

from training import stages


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    parser.add_argument("stage", choices=[*stages.ORDER, "all", *stages.APART])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="the published data")
    parser.add_argument("--work", type=Path, default=Path("build/training"), help="rows and checkpoints")
    parser.add_argument("--out", type=Path, default=Path("models/guard"), help="where the model goes")
    parser.add_argument("--results", type=Path, default=Path("bench/results"), help="where figures go")
    parser.add_argument("--licences", default="", help="of `data`: licence classes to train on, such as P,SA,U")
    parser.add_argument("--hold-out", default="", help="of `data`: sources never trained on, such as injection/spikee")
    parser.add_argument("--rounds", type=int, default=3, help="passes over a freshly drawn mixture")
    parser.add_argument("--scale", type=float, default=0.4, help="how many rows a round draws, 1 for all")
    parser.add_argument(
        "--start", type=Path, help="an exported int8 model, or a checkpoint of another run, to begin with"
    )
    parser.add_argument("--keep", type=float, default=0.0, help="share of the weights of `--start` to export")
    parser.add_argument("--limit", type=int, default=400, help="texts per unseen source and label")
    parser.add_argument("--only", nargs="*", default=[], help="variants of `ablate`, by name; all if there are none")
    parser.add_argument("--processes", type=int, default=2, help="of one thread each, on a CPU")
    options = parser.parse_args()
    for stage in stages.ORDER if options.stage == "all" else [options.stage]:
        stages.run(stage, options)


if __name__ == "__main__":
    main()
