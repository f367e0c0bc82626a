"""
What the service bears: `python -m bench.load [--seconds N] [--workers 1,2] [--concurrency 1,2,4] [--soak MINUTES]`.

Starts the real server with the shipped policy as a child process and loads it from a process of its own, with texts
that never come twice, so that no verdict comes from the cache:

* in turns: so many callers, each asking again once it is answered; throughput and latency against their number
* at a rate: requests come whether the others are answered or not, up to three times what was borne; what is answered,
  what is refused with 503 and how soon, and what `/healthz` takes beside it

Writes `load.json` and, with matplotlib, `load.png` to `bench/results/`. With `--soak`, mixed load instead, see
`bench.soak`. On a machine with few cores the callers compete with the workers: the column `caller` says for how much.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import secrets
import statistics
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from tqdm import tqdm

from bench import callers, soak
from bench.latency import SENTENCES
from bench.serving import Server, serve
from bench.shipped import classifier

RESULTS = Path(__file__).parent / "results"
TOKENS = (32, 256)
RATES = (0.5, 0.9, 1.1, 1.5, 3.0)  # times the best throughput in turns
OPEN_SECONDS = 1.5  # times as long as in turns: the queue has to fill first
HEALTHZ_AIM_MS = 20.0

Row = dict[str, Any]


def one_token_words() -> list[str]:
    """Words of ordinary sentences that are one token each to the shipped model."""
    model = classifier()
    return sorted({word for word in " ".join(SENTENCES).split() if len(model.read(word).tokens) == 1})


def machine() -> Row:
    """What the figures belong to."""
    cpuinfo = Path("/proc/cpuinfo")
    models = [line for line in cpuinfo.read_text().splitlines() if "model name" in line] if cpuinfo.exists() else []
    packages = ("scanner-service", "gunicorn", "onnxruntime", "starlette", "msgspec", "tokenizers")
    return {
        "cpu": models[0].partition(": ")[2] if models else platform.processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": platform.platform(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "load_before": os.getloadavg()[0],
    } | {name: version(name) for name in packages}


def quantile(values: Sequence[float], share: float) -> float | None:
    """Of *values*; None if there are none."""
    return round(sorted(values)[min(len(values) - 1, int(len(values) * share))], 2) if values else None


def row(seen: callers.Seen, workers_cpu: Sequence[float]) -> Row:
    """The figures of one level; latencies are those of the requests that were answered."""
    answered = seen.waited_ms.get(200, [])
    return {
        "per_second": round(len(answered) / seen.seconds, 1),
        **{f"p{share}_ms": quantile(answered, share / 100) for share in (50, 95, 99)},
        "statuses": {str(status): len(waited) for status, waited in sorted(seen.waited_ms.items())},
        "worker_cores": [round(one, 2) for one in workers_cpu],
        "caller_cores": round(seen.cpu_share, 2),
    }


class Bench:
    """
    Callers against one server.

    Args:
        server: that is loaded.
        key: its API key.
        pool: processes for the callers.
    """

    def __init__(self, server: Server, key: str, pool: ProcessPoolExecutor) -> None:
        self._server, self._key, self._pool = server, key, pool

    def in_turns(self, texts: callers.Texts, concurrency: int, seconds: float) -> Row:
        """One level of concurrency."""
        before = self._server.cpu_seconds()
        call = self._pool.submit(callers.in_turns, self._server.port, self._key, texts, concurrency, seconds)
        seen = call.result()
        return {"concurrency": concurrency} | row(seen, self._cores(before, seen.lasted))

    def at_rate(self, texts: callers.Texts, rate: float, seconds: float) -> Row:
        """One rate, beside `/healthz`."""
        before = self._server.cpu_seconds()
        call = self._pool.submit(callers.at_rate, self._server.port, self._key, texts, rate, seconds)
        alive = self._pool.submit(callers.is_alive, self._server.port, seconds).result()
        cores = self._cores(before, seconds)
        seen = call.result()
        return {
            "rate": round(rate, 1),
            **row(seen, cores),
            "refused_p99_ms": quantile(seen.waited_ms.get(503, []), 0.99),
            "healthz_p50_ms": quantile(alive, 0.5),
            "healthz_p99_ms": quantile(alive, 0.99),
        }

    def _cores(self, before: Sequence[float], seconds: float) -> list[float]:
        return [(now - then) / seconds for now, then in zip(self._server.cpu_seconds(), before, strict=True)]


def measure(workers: Sequence[int], concurrency: Sequence[int], seconds: float) -> Iterator[Row]:
    """One result for each number of workers and length of texts."""
    words, key = one_token_words(), secrets.token_urlsafe(24)
    levels = len(workers) * len(TOKENS) * (len(concurrency) + len(RATES))
    with ProcessPoolExecutor(2, get_context("spawn")) as pool, tqdm(total=levels, unit="level") as progress:
        for count in workers:
            with serve(key, {"SCANNER_WORKERS": str(count)}) as server:
                bench = Bench(server, key, pool)
                for tokens in TOKENS:
                    texts = callers.Texts(words, tokens)
                    result: Row = {"workers": count, "tokens": tokens, "in_turns": [], "at_rate": []}
                    for level in concurrency:
                        result["in_turns"].append(bench.in_turns(texts, level, seconds))
                        progress.update()
                    best = max(one["per_second"] for one in result["in_turns"])
                    for share in RATES:
                        rate = max(1.0, share * best)
                        result["at_rate"].append(bench.at_rate(texts, rate, seconds * OPEN_SECONDS))
                        progress.update()
                    result["resident_mib"] = [round(one, 1) for one in server.resident_mib()]
                    yield result


def print_table(results: Sequence[Row]) -> None:
    """Everything that was measured."""
    for one in results:
        print(f"\n{one['workers']} workers, {one['tokens']} tokens, {one['resident_mib']} MiB")
        for name, column in (("in_turns", "concurrency"), ("at_rate", "rate")):
            print(f"{column:>11} {'answered/s':>10} {'p50':>8} {'p95':>8} {'p99':>8} {'503s':>6} {'p99':>8} ", end="")
            print(f"{'healthz p99':>11} {'workers':>12} {'caller':>7}")
            for level in one[name]:
                times = [level[f"p{share}_ms"] for share in (50, 95, 99)]
                cores = "+".join(f"{core:.2f}" for core in level["worker_cores"])
                print(f"{level[column]:>11} {level['per_second']:>10} ", end="")
                print(" ".join(f"{value if value is not None else '-':>8}" for value in times), end=" ")
                print(f"{level['statuses'].get('503', 0):>6} {level.get('refused_p99_ms') or '-':>8} ", end="")
                print(f"{level.get('healthz_p99_ms') or '-':>11} {cores:>12} {level['caller_cores']:>7}")
        saturated = [level["healthz_p99_ms"] for level in one["at_rate"] if "503" in level["statuses"]]
        if saturated:
            worst = max(saturated)
            print(f"/healthz while saturated: p99 {worst} ms, {'within' if worst < HEALTHZ_AIM_MS else 'OVER'} the aim")
        else:
            print("never saturated: nothing was refused")


def plot(results: Sequence[Row], path: Path) -> None:
    """Throughput and latency against the number of callers."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, (upper, lower) = pyplot.subplots(2, 1, figsize=(8, 8), sharex=True)
    for one in results:
        label = f"{one['tokens']} tokens, {one['workers']} workers"
        x = [level["concurrency"] for level in one["in_turns"]]
        [line] = upper.plot(x, [level["per_second"] for level in one["in_turns"]], marker="o", label=label)
        for share, style in ((50, "-"), (99, ":")):
            y = [level[f"p{share}_ms"] for level in one["in_turns"]]
            lower.plot(x, y, style, color=line.get_color(), label=f"{label}, p{share}")
    upper.set(ylabel="answered per second", ylim=(0, None), xscale="log")
    lower.set(ylabel="milliseconds", xlabel="callers", xscale="log", yscale="log")
    lower.set_xticks(x, [str(level) for level in x])
    lower.minorticks_off()
    for axes in (upper, lower):
        axes.legend(fontsize="small")
        axes.grid(visible=True, alpha=0.3)
    figure.savefig(path, dpi=120, bbox_inches="tight")


def drawn() -> bool:
    """Whether there is something to draw with; says what to install if not."""
    if importlib.util.find_spec("matplotlib") is None:
        print("no plot: matplotlib is missing (pip install --group training, or matplotlib alone)")
        return False
    return True


def numbers(value: str) -> list[int]:
    """Those of a list with commas."""
    return [int(part) for part in value.split(",")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[1])
    parser.add_argument("--seconds", type=float, default=4.0, help="of each level (default: %(default)s)")
    parser.add_argument("--workers", default=[1, 2], type=numbers, help="default: 1,2")
    parser.add_argument("--concurrency", default=[1, 2, 4, 8, 16, 32, 64, 128], type=numbers, help="of callers")
    parser.add_argument("--soak", type=float, metavar="MINUTES", help="mixed load for so long instead")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where to write (default: bench/results)")
    options = parser.parse_args()
    options.results.mkdir(exist_ok=True)
    before = machine()
    if options.soak is not None:
        soaked = soak.run(one_token_words(), max(options.workers), options.soak * 60)
        print(soak.summary(soaked))
        (options.results / "soak.json").write_text(json.dumps({"machine": before} | soaked, indent=1) + "\n")
        if drawn():
            soak.plot(soaked, options.results / "soak.png")
        return
    results = list(measure(options.workers, options.concurrency, options.seconds))
    print(
        f"{before['cpu']}, {before['cores']} cores; the callers run on the same ones. Distinct texts, shipped policy."
    )
    print_table(results)
    spent = statistics.fmean(level["caller_cores"] for one in results for level in one["in_turns"])
    print(f"\nthe callers took {spent:.2f} of a core on average")
    content = {"machine": before, "seconds": options.seconds, "results": results}
    (options.results / "load.json").write_text(json.dumps(content, indent=1) + "\n")
    if drawn():
        plot(results, options.results / "load.png")


if __name__ == "__main__":
    main()
