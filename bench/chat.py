"""
What the verdict cache is worth in a conversation: `python -m bench.chat [--turns 20] [--repeat 5]`.

Chat applications scan the whole history again at every turn. A conversation of so many turns is sent to the real
server, one batch for each turn, as a child process with the shipped policy: once without the cache, once with it.
Every conversation is new to the server. Medians, in seconds for the whole conversation.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import secrets
import statistics
import time
from collections.abc import Sequence

from bench.latency import SENTENCES, serving


def conversation(number: int, turns: int) -> list[str]:
    """The messages of a conversation that nobody has had before, of about 40 tokens each."""
    return [
        f"Message {turn} of talk {number}: {SENTENCES[turn % 4]} {SENTENCES[(turn + 1) % 4]}" for turn in range(turns)
    ]


def held(port: int, key: str, messages: Sequence[str]) -> float:
    """Seconds until the last turn of a conversation is scanned."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    started = time.perf_counter()
    for turn in range(len(messages)):
        connection.request("POST", "/analyze/prompts", json.dumps({"prompts": messages[: turn + 1]}), headers)
        answer = json.load(connection.getresponse())
        if not all(result.get("is_valid") for result in answer["results"]):
            raise SystemExit("a message of the conversation was not valid")
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[1])
    parser.add_argument("--turns", type=int, default=20)
    parser.add_argument("--repeat", type=int, default=5, help="conversations, with and without the cache")
    options = parser.parse_args()
    key, numbers = secrets.token_urlsafe(24), itertools.count()
    with serving(key) as without, serving(key, cached=True) as with_cache:
        servers = {"without": without, "with": with_cache}
        times: dict[str, list[float]] = {name: [] for name in servers}
        for _ in range(options.repeat + 1):
            for name, port in servers.items():
                times[name].append(held(port, key, conversation(next(numbers), options.turns)))
    taken = {name: statistics.median(values[1:]) for name, values in times.items()}  # the first ones warm up
    for name, value in taken.items():
        print(f"{name:>8} the cache: {value:.3f} s for {options.turns} turns")
    print(f"{taken['without'] / taken['with']:.1f} times faster")


if __name__ == "__main__":
    main()
