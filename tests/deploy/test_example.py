from __future__ import annotations

import runpy
import subprocess
from pathlib import Path

import pytest
import yaml

from scanner_client import Client
from scanner_client.settings import split_url
from tests.deploy.conftest import ROOT, find, load, refusals, tool
from tests.deploy.restricted import violations
from tests.e2e.conftest import KEY, configured, running, word

EXAMPLES = ROOT / "helm" / "examples"
RENDERED = EXAMPLES / "kustomize" / "chat.yaml"


def example(*options: str) -> subprocess.CompletedProcess[str]:
    tool("helm")
    command = [ROOT / "deploy" / "example.sh", *options]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)


def test_what_kustomize_reads_is_what_helm_renders():
    assert RENDERED.read_text("utf-8") == example().stdout, "run: make chart"
    kustomization = yaml.safe_load((RENDERED.parent / "kustomization.yaml").read_text("utf-8"))
    assert kustomization["resources"] == [RENDERED.name]


@pytest.mark.parametrize("version", ["1.29", "1.32", "1.37"])
@pytest.mark.parametrize("transport", ["socket", "loopback"])
def test_the_example_is_valid_for_kubernetes(tmp_path: Path, version: str, transport: str):
    file = tmp_path / "chat.yaml"
    done = example("--set", f"scanner-service.sidecar.transport={transport}", "--kube-version", version)
    assert done.returncode == 0, done.stderr
    file.write_text(done.stdout)
    assert not refusals(version, file)


def test_before_native_sidecars_the_template_refuses():
    done = example("--kube-version", "1.28.0")
    assert done.returncode != 0
    assert "1.29" in done.stderr


def test_the_pod_is_restricted_and_the_scanner_starts_first():
    spec = find(load(RENDERED.read_text("utf-8")), "Deployment")["spec"]["template"]["spec"]
    assert list(violations(spec)) == []
    (scanner,) = spec["initContainers"]
    assert scanner["restartPolicy"] == "Always"
    assert scanner["startupProbe"]["exec"]["command"] == ["healthcheck", "/readyz"]


def test_over_the_socket_nothing_listens_on_a_port_and_only_the_group_may_connect():
    spec = find(load(RENDERED.read_text("utf-8")), "Deployment")["spec"]["template"]["spec"]
    (scanner,), (app,) = spec["initContainers"], spec["containers"]
    _, socket, _ = split_url(env(app)["SCANNER_URL"])
    assert env(scanner)["SCANNER_BIND"] == f"unix:{socket}"
    folder = str(Path(socket).parent)
    assert mounts(scanner)[folder] == mounts(app)[folder]
    assert spec["securityContext"]["fsGroup"] == scanner["securityContext"]["runAsGroup"]


def test_the_client_and_the_example_ask_where_the_chart_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    spec = find(load(RENDERED.read_text("utf-8")), "Deployment")["spec"]["template"]["spec"]
    (scanner,), (app,) = spec["initContainers"], spec["containers"]
    bind, url = (
        value.replace("/run/scanner-service", str(tmp_path))  # the volume of the pod
        for value in (env(scanner)["SCANNER_BIND"], env(app)["SCANNER_URL"])
    )
    # The port is for `running`, which asks there whether the server is ready.
    environment = configured(tmp_path, {"default": [word("ATTACK")]}) | {"SCANNER_BIND": f"127.0.0.1:0,{bind}"}
    monkeypatch.setenv("SCANNER_URL", url)
    monkeypatch.setenv("SCANNER_API_KEY", KEY)
    with running(tmp_path, environment):
        with Client(max_retries=0) as client:
            assert client.check_prompt("hello").is_valid
        scan = runpy.run_path(str(EXAMPLES / "sidecar" / "files" / "app.py"))["scan"]
        assert [scan(prompt)["is_valid"] for prompt in ("hello", "an ATTACK")] == [True, False]


def test_over_loopback_nobody_outside_the_pod_can_connect():
    done = example("--set", "scanner-service.sidecar.transport=loopback", "--set", "scanner-service.sidecar.port=9000")
    spec = find(load(done.stdout), "Deployment")["spec"]["template"]["spec"]
    (scanner,), (app,) = spec["initContainers"], spec["containers"]
    assert env(scanner)["SCANNER_BIND"] == "127.0.0.1:9000"
    assert env(app)["SCANNER_URL"] == "http://127.0.0.1:9000"
    assert "scanner-service-socket" not in done.stdout


def env(container: dict) -> dict[str, str]:
    return {one["name"]: one.get("value") for one in container["env"]}


def mounts(container: dict) -> dict[str, str]:
    return {one["mountPath"]: one["name"] for one in container["volumeMounts"]}
