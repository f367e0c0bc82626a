from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_onnx_runtime_neither_keeps_an_identifier_nor_reports(tmp_path: Path):
    # It keeps quiet in CI by itself, and writes what it will send below HOME.
    environment = {key: value for key, value in os.environ.items() if key not in {"CI", "ORT_DISABLE_TELEMETRY"}}
    script = "import scanner_service.inference.onnx as module; print(module.onnxruntime.__version__)"
    command = [sys.executable, "-c", script]
    done = subprocess.run(
        command, env=environment | {"HOME": str(tmp_path)}, capture_output=True, check=True, timeout=60
    )
    assert done.stdout
    assert list(tmp_path.rglob("*")) == []
