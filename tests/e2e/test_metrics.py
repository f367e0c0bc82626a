"""What the running server counts, added up over its workers."""

import hashlib
import re

from tests.e2e.conftest import configured, running
from tests.inference import tiny

RULE = {"name": "injection", "kind": "classifier", "threshold": 0.5}
REQUESTS = 30


def test_stages_windows_and_models_are_those_of_all_workers(tmp_path):
    models = tiny.write(tmp_path)
    rule = RULE | {"options": {"model": "tiny", "labels": ["INJECTION"]}}
    environment = configured(tmp_path / "service", {"default": [rule]}) | {"SCANNER_MODELS": str(models)}
    with running(tmp_path / "service", environment | {"SCANNER_WORKERS": "2"}) as server:
        for number in range(REQUESTS):
            server.post("/scan/prompt", json={"prompt": f"attack {number}"})
        reads = [read(server) for _ in range(6)]
    for metrics in reads:
        for stage in ("admit", "read", "decode", "recall", "prepare", "infer", "judge", "sanitize", "encode"):
            assert metrics[f'scanner_stage_duration_seconds_count{{stage="{stage}"}}'] == REQUESTS, stage
        for per in ("run", "text"):
            assert metrics[f'scanner_model_windows_count{{model="tiny",per="{per}"}}'] == REQUESTS
        digest = hashlib.sha256((models.parent / "tiny.onnx").read_bytes()).hexdigest()
        shown = {name: value for name, value in metrics.items() if name.startswith("scanner_model_info")}
        assert shown == {f'scanner_model_info{{model="tiny",sha256="{digest}"}}': 1.0}
        triggered = 'scanner_triggered_total{action="block",label="INJECTION",policy="default",scanner="injection"}'
        assert metrics[triggered] == REQUESTS


def read(server):
    lines = re.findall(r"^(scanner_\S+) (\S+)$", server.get("/metrics").text, re.MULTILINE)
    return {name: float(value) for name, value in lines}
