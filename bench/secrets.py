"""
How many credentials the kind `secrets` finds, what else it takes for one, and how long it takes.

    python -m bench.secrets --data ../shared/data

Credentials are generated from the templates in `scanner_service/data/secrets.toml`: they show that each form is found
in prose, code, JSON, YAML and environment files; how close the forms are to what vendors issue is not measured here.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import json
import statistics
import sysconfig
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from random import Random

from bench.secret_samples import fill
from scanner_service.findings import Finding
from scanner_service.scanner import Context, Scanner
from scanner_service.scanners import secrets
from scanner_service.scanners._credentials import shipped
from scanner_service.text import Text

THRESHOLD = 0.5
SAMPLES = 20
CARRIERS = {
    "prose": "Hello, could you look at this for me?\n{}\nIt stopped working yesterday.",
    "code": "import client\n\ndef main():\n    # {}\n    client.run(retries=3)\n",
    "json": '{{"id": 17, "note": {}, "tags": ["a", "b"]}}',
    "yaml": "service:\n  replicas: 2\n  note: |\n    {}\n  port: 8080\n",
    "env": "HOME=/srv/app\nNODE_ENV=production\n{}\nPORT=8080\n",
}
# Rows that are mostly code or instructions; real credentials that people typed are among them and are listed below.
BENIGN = ["code_alpaca", "sharegpt_first_turn", "alpaca", "t0_task_prompts", "purplellama_mitre_frr", "fabric_patterns"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--forms", action="store_true", help="print recall for each form, not only for those under 1")
    arguments = parser.parse_args()
    scanner = secrets.build(secrets.Config(), {})
    print_recall(scanner, arguments.forms)
    print_false_positives(scanner, arguments.data)
    print_times(arguments.data)


def hits(scanner: Scanner, text: str) -> list[Finding]:
    return [finding for finding in scanner.scan(Text(text), Context()) if finding.score >= THRESHOLD]


def print_recall(scanner: Scanner, every: bool) -> None:
    random = Random(7)
    by_form: dict[str, list[bool]] = defaultdict(list)
    by_carrier: dict[str, list[bool]] = defaultdict(list)
    for form in shipped():
        for example in form.examples:
            for number in range(SAMPLES):
                carrier = list(CARRIERS)[number % len(CARRIERS)]
                part, secret = fill(example, random)
                if carrier == "json":
                    part, secret = json.dumps(part), json.dumps(secret)[1:-1]
                text = CARRIERS[carrier].format(part)
                covered = covers(text, secret, hits(scanner, text))
                by_form[form.label].append(covered)
                by_carrier[carrier].append(covered)
    everything = [found for each in by_form.values() for found in each]
    print(f"recall: {sum(everything)} of {len(everything)} samples of {len(by_form)} labels, every character covered")
    for name, found in by_carrier.items():
        print(f"  in {name:6} {sum(found) / len(found):.4f}")
    for label, found in sorted(by_form.items()):
        if every or not all(found):
            print(f"  {label:32} {sum(found) / len(found):.3f}")


def covers(text: str, secret: str, findings: list[Finding]) -> bool:
    """Whether the findings cover every character of *secret*."""
    start = text.index(secret)
    covered = {at for finding in findings for at in range(finding.span.start, finding.span.end)}
    return covered.issuperset(range(start, start + len(secret)))


def print_false_positives(scanner: Scanner, data: Path) -> None:
    print("\nfalse positives, all reported findings counted")
    for name, texts in {"generated": generated(), "stdlib": standard_library()}.items():
        report(scanner, name, list(texts))
    for name in BENIGN:
        report(scanner, name, list(rows(data / "injection" / f"{name}.jsonl.gz")))


def report(scanner: Scanner, name: str, texts: list[str]) -> None:
    labels = Counter(finding.label for text in texts for finding in hits(scanner, text))
    size = sum(map(len, texts)) / 1e6
    counts = ", ".join(f"{label} {count}" for label, count in labels.most_common())
    print(f"  {name:22} {len(texts):6} texts {size:6.1f} MB  {sum(labels.values()):4} findings  {counts}")


def generated() -> Iterator[str]:
    """Identifiers, digests, images and lock files that no credential is in."""
    random = Random(3)
    for _ in range(500):
        digest = base64.b64encode(random.randbytes(64)).decode()
        yield fill("request {uuid} of user {uuid} took 12 ms, trace {hex:32}", random)[0]
        yield fill("commit {hex:40}\nAuthor: Ann <ann@example.com>\n\n    Rotate the API keys\n\nmd5 {hex:32}", random)[
            0
        ]
        yield f"<img src='data:image/png;base64,{base64.b64encode(random.randbytes(900)).decode()}' alt='key'>"
        yield f'"left-pad": {{"version": "1.3.0", "integrity": "sha512-{digest}", "dev": true}}'
        yield (
            fill('name = "idna"\nfiles = [{file = "idna.whl", hash = "sha256:', random)[0]
            + f'{digest[:64].lower()}"}}]'
        )
        yield f"image: acme/app@sha256:{random.randbytes(32).hex()}\ndigest: {random.randbytes(20).hex()}"


def standard_library() -> Iterator[str]:
    """The modules of Python itself, without its tests, which hold passwords."""
    for path in sorted(Path(sysconfig.get_path("stdlib")).rglob("*.py")):
        if not {"site-packages", "test", "tests"} & set(path.parts):
            yield path.read_text("utf-8", "replace")


def rows(path: Path) -> Iterator[str]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)["text"]


def print_times(data: Path) -> None:
    print("\nmilliseconds a text, median and 95th percentile of 100 texts of real prompts")
    words = " ".join(rows(data / "injection" / "sharegpt_first_turn.jsonl.gz")).split()
    for views in (("raw",), ("raw", "normalized", "decoded")):
        scanner = secrets.build(secrets.Config(views=views), {})
        for count in (100, 1000):
            times = []
            for number in range(100):
                text = Text(" ".join(words[number * count : (number + 1) * count]))
                started = time.perf_counter()
                list(scanner.scan(text, Context()))
                times.append((time.perf_counter() - started) * 1000)
            typical, slow = statistics.median(times), statistics.quantiles(times, n=20)[-1]
            print(f"  {count:5} words, {' + '.join(views):28} {typical:7.3f} {slow:7.3f}")


if __name__ == "__main__":
    main()
