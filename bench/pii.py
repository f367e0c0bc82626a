"""
What kind `pii` costs, beside presidio-analyzer with its default recognizers on a blank spaCy pipeline.

    python -m bench.pii [--rounds 31]

Processor time of one thread, so that what else the machine does counts less; medians over rounds in which both take
turns. Start-up and memory are measured in processes of their own. Nothing is downloaded.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping

PROSE = (
    "the quick brown fox jumps over the lazy dog while nobody in the village looks at the river and its old trees "
    "because market day is over and the last carts are on their way home through the rain"
)
ENTITIES = (
    "Contact Jane Doe at jane.doe@example.com or call +1 415-555-2671 today. Her SSN is 412-55-9876 and card "
    "4111 1111 1111 1111 expires soon. IBAN DE89 3704 0044 0532 0130 00 from server 192.168.10.77 was used. NHS number "
    "943 476 5919 belongs to a patient. Second mail o.brien@mail.example.org, phone (212) 555-0187, passport "
    "412559876. Account number 000123456789 at the bank; wallet 1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2. National "
    "insurance AB123456C. Another card 5555-5555-5555-4444 plus IP 2001:db8::8a2e:370:7334."
)
SEEDS = (
    ":",
    "a.",
    "1.",
    "+",
    "(",
    "😀",
    "@",
    "-",
    "7",
    " 1",
    " 41",
    " 01",
    "a@",
    "a@a.",
    "1-",
    "::1 ",
    "4111 ",
    "AB12 ",
)
LENGTHS = (50_000, 200_000)
# The highest resident size since the process began; what getrusage says includes the process it was forked from.
MEMORY = "import re; print(int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]) / 1024)"


def main() -> None:
    """Print every table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=31)
    rounds = parser.parse_args().rounds
    ours, presidio = _ours(), _presidio()
    print(f"{'text':26}{'characters':>11}{'found':>7}{'pii ms':>9}{'presidio ms':>13}{'ratio':>8}")
    for name, text in _texts().items():
        found = ours(text)
        mine, theirs = _medians(rounds, lambda text=text: ours(text), lambda text=text: presidio(text))
        print(f"{name:26}{len(text):11}{found:7}{mine:9.3f}{theirs:13.3f}{mine / theirs:8.2f}")
    _print_hostile(ours)
    _print_start()


def _ours() -> Callable[[str], int]:
    from scanner_service.scanners import pii
    from scanner_service.testing import run_scanner

    scanner = pii.build(pii.Config(), {})
    return lambda text: len(run_scanner(scanner, text))


def _presidio() -> Callable[[str], int]:
    import spacy
    import tldextract.tldextract
    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer.nlp_engine import SpacyNlpEngine

    # As it comes it would ask the network for the public suffix list.
    offline = tldextract.TLDExtract(cache_dir=None, suffix_list_urls=())
    tldextract.extract = offline
    engine = SpacyNlpEngine(models=[{"lang_code": "en", "model_name": "blank"}])
    engine.nlp = {"en": spacy.blank("en")}
    analyzer = AnalyzerEngine(nlp_engine=engine)
    return lambda text: len(analyzer.analyze(text, "en"))


def _texts() -> Mapping[str, str]:
    prose, entities = PROSE.split() * 40, ENTITIES.split() * 20
    mixed = [word for at in range(0, 1000, 100) for word in prose[:85] + entities[at % 60 : at % 60 + 15]]
    return {
        "100 plain words": " ".join(prose[:100]),
        "100 words of entities": " ".join(entities[:100]),
        "1,000 plain words": " ".join(prose[:1000]),
        "1,000 words, 15 % entities": " ".join(mixed),
        "1,000 words of entities": " ".join(entities[:1000]),
    }


def _medians(rounds: int, *calls: Callable[[], object]) -> list[float]:
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(rounds):
        for call, taken in zip(calls, times, strict=True):
            taken.append(_ms(call))
    return [statistics.median(taken) for taken in times]


def _ms(call: Callable[[], object]) -> float:
    started = time.thread_time()
    call()
    return (time.thread_time() - started) * 1000


def _print_hostile(ours: Callable[[str], int]) -> None:
    print(f"\n{'hostile text of':26}" + "".join(f"{f'{length:,} ms':>12}" for length in LENGTHS))
    for seed in SEEDS:
        texts = [(seed * (length // len(seed) + 1))[:length] for length in LENGTHS]
        print(f"{seed!r:26}" + "".join(f"{_ms(lambda text=text: ours(text)):12.1f}" for text in texts))


def _print_start() -> None:
    modules = "from scanner_service import engine, registry, testing; "
    build = "from scanner_service.scanners import pii; pii.build(pii.Config(), {}); "
    without, with_pii = (_memory(modules), _memory(modules + build))
    print(f"\nstart-up: {with_pii[0] - without[0]:.0f} ms and {with_pii[1] - without[1]:.0f} MiB more with `pii`")


def _memory(code: str) -> tuple[float, float]:
    """Milliseconds of processor time and MiB of a new process that runs *code*: medians of five."""
    runs = []
    for _ in range(5):
        before = _children_ms()
        shown = subprocess.run([sys.executable, "-c", code + MEMORY], check=True, capture_output=True, text=True)
        runs.append((_children_ms() - before, float(shown.stdout)))
    return statistics.median(run[0] for run in runs), statistics.median(run[1] for run in runs)


def _children_ms() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (usage.ru_utime + usage.ru_stime) * 1000


if __name__ == "__main__":
    main()
