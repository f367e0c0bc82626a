"""The alerts of the chart, by Prometheus's own `promtool` where it is installed (Debian: prometheus)."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.conftest import find
from tests.deploy.variants import VARIANTS

pytestmark = pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")

OWN = 'job="r-scanner-service",namespace="default",pod="a"'
REQUESTS = "scanner_request_duration_seconds"
QUIET = {
    f'{REQUESTS}_count{{{OWN},route="/analyze/prompt",status="200"}}': "0+600x30",
    f'{REQUESTS}_bucket{{{OWN},route="/analyze/prompt",status="200",le="0.1"}}': "0+600x30",
    f'{REQUESTS}_bucket{{{OWN},route="/analyze/prompt",status="200",le="+Inf"}}': "0+600x30",
    f'scanner_scans_total{{{OWN},direction="prompt",policy="default",verdict="valid"}}': "0+600x30",
}
# By alert, what happens to the service, and the labels of the alert that this raises.
RAISED: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "ScannerServiceRuleCannotRun": (
        {f'scanner_errors_total{{{OWN},scanner="pii",code="model_error"}}': "0+1x30"},
        {"severity": "critical", "scanner": "pii", "code": "model_error"},
    ),
    "ScannerServiceErrors": (
        {f'{REQUESTS}_count{{{OWN},route="/analyze/prompt",status="500"}}': "0+60x30"},
        {"severity": "critical"},
    ),
    "ScannerServiceOverloaded": (
        {f'{REQUESTS}_count{{{OWN},route="/analyze/prompt",status="503"}}': "0+1x30"},
        {"severity": "warning"},
    ),
    "ScannerServiceSlow": (
        {
            f'{REQUESTS}_bucket{{{OWN},route="/analyze/prompt",status="200",le="1.0"}}': "0+600x30",
            f'{REQUESTS}_bucket{{{OWN},route="/analyze/prompt",status="200",le="0.1"}}': "0+300x30",
            f'{REQUESTS}_bucket{{{OWN},route="/analyze/prompt",status="200",le="+Inf"}}': "0+600x30",
        },
        {"severity": "warning"},
    ),
    "ScannerServiceBlocksMuch": (
        {f'scanner_scans_total{{{OWN},direction="prompt",policy="default",verdict="blocked"}}': "0+900x30"},
        {"severity": "warning", "policy": "default"},
    ),
}


@pytest.fixture
def rules(render, tmp_path: Path) -> Path:
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump(find(render(VARIANTS["monitored"]), "PrometheusRule")["spec"]))
    return file


def promtool(*arguments: str | Path) -> None:
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_reads_the_rules(rules):
    promtool("check", "rules", rules)


def test_every_alert_has_a_case(rules):
    groups = yaml.safe_load(rules.read_text())["groups"]
    assert {rule["alert"] for rule in groups[0]["rules"]} == set(RAISED)


@pytest.mark.parametrize("alert", RAISED)
def test_silence_does_not_raise_the_alert_and_what_it_is_about_does(rules, alert):
    series, labels = RAISED[alert]
    groups = yaml.safe_load(rules.read_text())["groups"]
    (rule,) = [one for one in groups[0]["rules"] if one["alert"] == alert]
    del rule["annotations"]  # promtool compares them in full; their words are no part of the fact
    rules.write_text(yaml.safe_dump({"groups": [{"name": "one", "rules": [rule]}]}))
    promtool("test", "rules", case(rules, alert, QUIET, []))
    promtool("test", "rules", case(rules, alert, QUIET | series, [{"exp_labels": labels}]))


def case(rules: Path, alert: str, series: dict[str, str], expected: list[dict[str, Any]]) -> Path:
    file = rules.parent / "case.yaml"
    written = [{"series": name, "values": values} for name, values in series.items()]
    asked = {"eval_time": "29m", "alertname": alert, "exp_alerts": expected}
    test = {"interval": "1m", "input_series": written, "alert_rule_test": [asked]}
    file.write_text(yaml.safe_dump({"rule_files": [str(rules)], "tests": [test]}))
    return file
