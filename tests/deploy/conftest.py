"""The chart, rendered by the real helm."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent.parent
CHART = ROOT / "helm" / "scanner-service"

Values = dict[str, Any]
Manifests = list[dict[str, Any]]

# The least that makes a chart which starts.
CREDENTIALS: Values = {
    "credentials": {"apiKeys": {"app": "ab" * 32}, "vaultKeys": ["0123456789abcdef0123456789abcdef"]}
}


def tool(name: str) -> str:
    """The path of a tool that `make tools` installs."""
    path = Path(sys.prefix) / "tools" / "bin" / name
    if not path.exists():
        pytest.fail(f"{path} is missing: `make tools` installs it", pytrace=False)
    return str(path)


def run(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([tool(name), *map(str, arguments)], capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def helm(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Call `helm COMMAND` on the chart with *values* besides the credentials, which None leaves out."""

    def call(
        command: str, values: Values | None, *options: str, credentials: Values = CREDENTIALS
    ) -> subprocess.CompletedProcess[str]:
        file = tmp_path / "values.yaml"
        file.write_text(yaml.safe_dump(credentials | (values or {})))
        names = ["r"] if command == "template" else []
        return run("helm", command, *names, CHART, "--values", file, *options)

    return call


@pytest.fixture
def render(helm: Callable[..., subprocess.CompletedProcess[str]]) -> Callable[..., Manifests]:
    """What the chart renders for *values*."""

    def call(values: Values | None = None, *options: str) -> Manifests:
        done = helm("template", values, *options)
        assert done.returncode == 0, done.stderr
        return load(done.stdout)

    return call


def load(manifests: str) -> Manifests:
    return [one for one in yaml.safe_load_all(manifests) if one]


def find(manifests: Manifests, kind: str) -> dict[str, Any]:
    (found,) = [one for one in manifests if one["kind"] == kind]
    return found


def pods(manifests: Manifests) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Metadata and spec of every pod in *manifests*."""
    found = []
    for one in manifests:
        if one["kind"] == "Pod":
            found.append((one["metadata"], one["spec"]))
        elif one["kind"] == "Deployment":
            found.append((one["spec"]["template"]["metadata"], one["spec"]["template"]["spec"]))
    return found


def refusals(version: str, *files: Path) -> str:
    """What kubernetes-validate has against *files*; it only warns of kinds that it does not know."""
    done = run("kubernetes-validate", "--kubernetes-version", version, "--strict", *files)
    output = done.stdout + done.stderr
    return output if done.returncode or "Couldn't find schema" in output else ""
