"""Alerts and dashboard; by Prometheus's own `promtool` where it is installed (Debian: prometheus)."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from scanner_service.findings import Action, Finding, ScannerResult
from scanner_service.metrics import Metrics
from scanner_service.stages import Stage
from scanner_service.text import Span
from scanner_service.traces import Scanned
from tests.deploy.conftest import Manifests, find
from tests.deploy.variants import VARIANTS

needs_promtool = pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")

OWN = 'job="r-scanner-service",namespace="default",pod="a"'
REQUESTS = "scanner_request_duration_seconds"
QUIET = {
    f"up{{{OWN}}}": "1x30",
    f'{REQUESTS}_count{{{OWN},route="/analyze/prompt",status="200"}}': "0+600x30",
    f'{REQUESTS}_bucket{{{OWN},route="/analyze/prompt",status="200",le="0.1"}}': "0+600x30",
    f'{REQUESTS}_bucket{{{OWN},route="/analyze/prompt",status="200",le="+Inf"}}': "0+600x30",
    # A stream takes as long as the LLM that writes it.
    f'{REQUESTS}_bucket{{{OWN},route="/analyze/output/stream",status="200",le="0.1"}}': "0x30",
    f'{REQUESTS}_bucket{{{OWN},route="/analyze/output/stream",status="200",le="+Inf"}}': "0+600x30",
    f'scanner_scans_total{{{OWN},direction="prompt",policy="default",verdict="valid"}}': "0+600x30",
    f'scanner_policy_reloads_total{{{OWN},outcome="reloaded"}}': "0+1x30",
    f'scanner_policy_reloads_total{{{OWN},outcome="refused"}}': "0x30",
}
# By alert, what happens to the service, and the labels of the alert that this raises.
RAISED: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "ScannerServiceAbsent": ({f"up{{{OWN}}}": "1x10 0x19"}, {"severity": "critical"}),
    "ScannerServiceRuleCannotRun": (
        {f'scanner_errors_total{{{OWN},scanner="pii",code="model_failed"}}': "0+1x30"},
        {"severity": "critical", "scanner": "pii", "code": "model_failed"},
    ),
    "ScannerServiceAuditFails": (
        {f'scanner_audit_failures_total{{{OWN},reason="write"}}': "0+1x30"},
        {"severity": "critical", "reason": "write"},
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
    "ScannerServicePoliciesRefused": (
        {f'scanner_policy_reloads_total{{{OWN},outcome="refused"}}': "0x10 1x19"},
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


@needs_promtool
def test_prometheus_reads_the_rules(rules):
    promtool("check", "rules", rules)


@needs_promtool
def test_prometheus_reads_what_the_dashboard_asks(render, tmp_path: Path):
    file = tmp_path / "dashboard.yaml"
    expressions = dashboard_expressions(render(VARIANTS["monitored"]))
    asked = [one.replace("$__rate_interval", "5m") for one in expressions]
    rules = [{"record": f"panel:{number}", "expr": expression} for number, expression in enumerate(asked)]
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    promtool("check", "rules", file)


def test_every_alert_has_a_case(rules):
    groups = yaml.safe_load(rules.read_text())["groups"]
    assert {rule["alert"] for rule in groups[0]["rules"]} == set(RAISED)


@needs_promtool
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


def test_alerts_and_dashboard_ask_for_metrics_that_the_service_has(render):
    manifests = render(VARIANTS["monitored"])
    rules = find(manifests, "PrometheusRule")["spec"]["groups"][0]["rules"]
    for asked in ([rule["expr"] for rule in rules], dashboard_expressions(manifests)):
        names = {name for expression in asked for name in re.findall(r"scanner_\w+(?={)", expression)}
        assert names
        assert names <= exposed_metrics()


def test_panels_do_not_overlap_and_have_names_of_their_own(render):
    panels = dashboard(render(VARIANTS["monitored"]))["panels"]
    assert len({panel["id"] for panel in panels}) == len({panel["title"] for panel in panels}) == len(panels)
    assert len({(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}) == len(panels)


def dashboard(manifests: Manifests) -> dict[str, Any]:
    (found,) = [one for one in manifests if one["metadata"]["name"].endswith("-dashboard")]
    content: dict[str, Any] = json.loads(found["data"]["scanner-service.json"])
    return content


def dashboard_expressions(manifests: Manifests) -> list[str]:
    return [target["expr"] for panel in dashboard(manifests)["panels"] for target in panel["targets"]]


def exposed_metrics() -> set[str]:
    """The names of all samples that the service exposes, once everything has happened."""
    metrics = Metrics()
    finding = Finding("EMAIL", 1.0, Span(0, 1))
    result = ScannerResult("pii", "pii", 1.0, 0.5, Action.REDACT, (finding,), duration_ms=0.4)
    failed = ScannerResult("pii", "pii", None, 0.5, Action.BLOCK, error="model_failed")
    metrics.count("default", Scanned("prompt", (result, failed), (Stage("judge", 0, 0.1),)))
    metrics.recalled.labels("memory", "hit").inc()
    metrics.count_windows("guard", "text", 1)
    metrics.requests.labels("/", "200").observe(0.1)
    metrics.queued.labels("guard").set(1)
    return set(re.findall(r"^(scanner_\w+)", metrics.expose().decode(), re.MULTILINE))
