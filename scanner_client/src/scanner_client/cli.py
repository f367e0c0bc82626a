"""The command `scanner`: one text, or a file of them. It exits with 0, with 1 if something is blocked, or with 2."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from scanner_client._version import __version__
from scanner_client.answers import BatchItem
from scanner_client.client import Client
from scanner_client.errors import ScanFailed
from scanner_client.settings import environment

VALID, BLOCKED, FAILED = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        if not (options.url or environment("URL")):
            raise ValueError("no URL of the scanner service: pass --url or set SCANNER_URL")  # noqa: TRY301
        with Client(options.url, timeout=options.timeout) as client:
            return _analyze(client, options)
    except (ScanFailed, ValueError, OSError, ImportError) as error:
        print(f"scanner: {error}", file=sys.stderr)
        return FAILED
    except Exception as error:  # noqa: BLE001  # Python would exit with 1, which means blocked; and it may quote a text
        print(f"scanner: something went wrong: {type(error).__name__}", file=sys.stderr)
        return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scanner",
        description="Ask the scanner service about prompts. The key is taken from SCANNER_API_KEY.",
        epilog="Exit codes: 0 all are valid, 1 something is blocked, 2 nothing is, but something was not scanned.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    analyze = parser.add_subparsers(required=True).add_parser("analyze", help="scan one prompt, or a file of them")
    source = analyze.add_mutually_exclusive_group(required=True)
    source.add_argument("text", nargs="?", help="the prompt; - reads it from standard input")
    source.add_argument("--file", type=Path, help='lines of JSON: strings, or objects with a "prompt" or "text"')
    analyze.add_argument("--out", type=Path, help="write one verdict a line here (default: standard output)")
    analyze.add_argument("--json", action="store_true", help="print the whole answer as JSON")
    analyze.add_argument("--url", help="of the service (default: SCANNER_URL)")
    analyze.add_argument("--policy", help="a policy of the service's configuration")
    analyze.add_argument("--timeout", type=float, default=10.0, help="seconds for each prompt, retries included")
    analyze.add_argument("--max-workers", type=_count, default=8, help="requests at a time")
    analyze.add_argument("--max-requests-per-minute", type=_count, help="needs the extra rate-limit")
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("must be a whole number, 1 or more")
    return int(text)


def _analyze(client: Client, options: argparse.Namespace) -> int:
    prompts = list(_prompts(options.file)) if options.file else []
    as_json = options.json or options.file is not None
    with ExitStack() as stack:
        # What can't be written is better said before than after all texts.
        out = stack.enter_context(options.out.open("w", encoding="utf-8")) if options.out else sys.stdout
        for answer in (answers := _answers(client, prompts, options)):
            print(json.dumps(_record(answer)) if as_json else _words(answer), file=out)
    if options.file is not None:
        print(client.usage, file=sys.stderr)
    return _exit_code(answers)


def _answers(client: Client, prompts: Sequence[str], options: argparse.Namespace) -> Sequence[BatchItem]:
    if options.file is None:
        text = sys.stdin.read() if options.text == "-" else options.text
        return [client.analyze_prompt(text, policy=options.policy)]
    return client.analyze_many(
        prompts,
        max_workers=options.max_workers,
        max_requests_per_minute=options.max_requests_per_minute,
        progress=True,
        policy=options.policy,
    )


def _exit_code(answers: Sequence[BatchItem]) -> int:
    if any(not answer.is_valid and not isinstance(answer, ScanFailed) for answer in answers):
        return BLOCKED
    return FAILED if any(isinstance(answer, ScanFailed) for answer in answers) else VALID


def _prompts(path: Path) -> Iterator[str]:
    """
    The prompts in a file.

    Raises:
        ValueError: naming the line that is none.
    """
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                item = json.loads(line)
            except ValueError:
                raise ValueError(f"{path}:{number}: is not JSON") from None
            prompt = item.get("prompt", item.get("text")) if isinstance(item, dict) else item
            if not isinstance(prompt, str):
                raise ValueError(f'{path}:{number}: is neither a string nor an object with a "prompt" or "text"')  # noqa: TRY004
            yield prompt


def _record(answer: BatchItem) -> dict[str, Any]:
    if isinstance(answer, ScanFailed):
        error = {"type": type(answer).__name__, "code": answer.code, "message": str(answer)}
        return {"is_valid": False, "error": error, "request_id": answer.request_id}
    fields = dataclasses.asdict(answer)
    del fields["failure"]  # None: this command lets nothing pass unscanned
    return fields | {"triggered": answer.triggered}


def _words(answer: BatchItem) -> str:
    if isinstance(answer, ScanFailed):
        return f"not scanned: {answer}"
    scores = ", ".join(f"{name} {score:.2f}" for name, score in answer.scores.items())
    verdict = "valid" if answer.is_valid else "blocked by " + ", ".join(answer.triggered)
    return f"{verdict} ({scores})" if scores else verdict
