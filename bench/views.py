"""
What the derived views cost, and how many ordinary prompts they make a model read twice.

    python -m bench.views --data ../shared/data

For each source the share of rows without an attack whose normalized view differs from the raw text, and the share
with decoded views; then the time for 1,000 characters, the best of several rounds on one thread.
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from collections.abc import Iterator
from pathlib import Path

from scanner_service.text import Derive, View
from scanner_service.views import VIEWS

SOURCES = (
    "alpaca code_alpaca sharegpt_first_turn fabric_patterns multilingual_benign t0_task_prompts intent_utterances "
    "gsm8k awesome_chatgpt_prompts"
)
ROUNDS, REPEATS = 15, 200

SAMPLES = {
    "English": "The quick brown fox jumps over the lazy dog, and I have a dream of a 3rd attempt (in 2023) for $5. ",
    "Spanish": "El niño comió piñas en la montaña; ¿cuándo llegará la próxima estación? ",
    "Chinese": "今天天气很好，我们去公园散步吧。",
    "Russian": "Привет, как дела? Сегодня хорошая погода, и мы пойдём гулять в парк. ",
    "Persian": "می‌خواهم کتاب‌هایی را که خریده‌ام به خانه ببرم. ",
    "code": "def mean(xs):\n    total = sum(x for x in xs)\n    return total / max(len(xs), 1)\n\n",
}


def benign(path: Path) -> Iterator[str]:
    """The texts of *path* that are no attacks."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            if row["label"] == 0:
                yield row["text"]


def microseconds(derive: Derive, text: str) -> float:
    """The least time that *derive* takes over *text*."""
    view = View.identity(text)
    rounds = []
    for _ in range(ROUNDS):
        start = time.thread_time_ns()
        for _ in range(REPEATS):
            derive(view)
        rounds.append((time.thread_time_ns() - start) / REPEATS / 1000)
    return min(rounds)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder with the labelled sources")
    folder = parser.parse_args().data / "injection"
    print(f"{'source':26}{'rows':>7}{'normalized differs':>20}{'with decoded views':>20}")
    for source in SOURCES.split():
        views = [View.identity(text) for text in benign(folder / f"{source}.jsonl.gz")]
        differs = sum(VIEWS["normalized"](view)[0].text != view.text for view in views)
        decoded = sum(bool(VIEWS["decoded"](view)) for view in views)
        print(f"{source:26}{len(views):7}{differs / len(views):20.2%}{decoded / len(views):20.2%}")
    print(f"\n{'1,000 characters, µs':26}{'normalized':>12}{'decoded':>12}")
    for name, sample in SAMPLES.items():
        text = (sample * 1000)[:1000]
        costs = [microseconds(VIEWS[view], text) for view in ("normalized", "decoded")]
        print(f"{name:26}{costs[0]:12.1f}{costs[1]:12.1f}")


if __name__ == "__main__":
    main()
