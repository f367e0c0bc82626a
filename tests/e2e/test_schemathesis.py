"""Schemathesis against the running server: whatever `/openapi.json` allows or forbids is answered as it says."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import KEY

SECONDS = 45
# Left out: that whatever the schema allows is accepted. Names of policies and rules, vault tokens and text that is more
# than white space are no matter of a schema.
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "unsupported_method",
    "allow_header_conformance",
    "ignored_auth",
)


@pytest.mark.timeout(SECONDS + 120)
def test_the_server_answers_as_its_description_says(server, tmp_path):
    # Rules that need no model: how requests are read and answered is tried thousands of times, not the model.
    command = [Path(sys.executable).parent / "schemathesis", "run", f"{server.url}/openapi.json"]
    command += ["--header", f"Authorization: Bearer {KEY}", "--checks", ",".join(CHECKS), "--seed", "1"]
    command += ["--max-time", str(SECONDS), "--suppress-health-check", "all"]
    environment = os.environ | {"SCHEMATHESIS_HOOKS": "schemathesis_hooks", "PYTHONPATH": str(Path(__file__).parent)}
    run = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-10_000:] + run.stderr
    assert "Tested: 11" in run.stdout
    assert not [line for line in server.logged("answered") if line["status"] == 500]
