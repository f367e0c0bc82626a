"""
Ask a running service, SCANNER_URL, what it must answer; with SCANNER_API_KEY, or if it serves everybody, scan too.

Run by `helm test`, inside the image. Prints each fact that holds and stops at the first that does not.
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request

PATIENCE = 60  # seconds: pods may be starting, and a new Service is not on every node at once
PROMPT = {"prompt": "Good morning. When does the library open on Sundays?"}


def ask(path, body=None, key=None):
    """Status and body of the answer; GET without *body*, POST with it."""
    headers = {"Content-Type": "application/json"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(os.environ["SCANNER_URL"] + path, data, headers)  # noqa: S310 - set by the chart
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def wait():
    """What `/readyz` answers once it says yes; what came last, if that takes too long."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            status, answer = ask("/readyz")
        except (OSError, ValueError) as error:  # nobody listens, or it is not the service that answers
            status, answer = None, error
        if status == 200 or time.monotonic() > end:
            return status, answer
        time.sleep(1)


def expect(fact, holds, answer):
    """Print *fact*, or end the test with *answer*."""
    if not holds:
        sys.exit(f"FAILED: {fact}: {answer}")
    print(f"ok: {fact}")  # noqa: T201


def main():
    """Ready, closed to strangers, open to callers."""
    key = os.environ.get("SCANNER_API_KEY")
    everybody = os.environ.get("SCANNER_ALLOWS_EVERYBODY") == "true"
    status, answer = wait()
    expect("the service is ready", status == 200, answer)
    if not everybody:
        status, answer = ask("/analyze/prompt", PROMPT, key="not-a-key-of-this-service")
        expect("a wrong key is refused", status == 401 and answer["is_valid"] is False, answer)
    if key or everybody:
        status, answer = ask("/analyze/prompt", PROMPT, key)
        ran = status == 200 and answer["results"] and not any(one["error"] for one in answer["results"])
        expect("a prompt is scanned by every rule", ran, answer)


main()
