"""Imports point downward: the picture of docs/design.md, as a test."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import scanner_service

ROOT = Path(scanner_service.__file__).parent

# From the bottom up. A module may import from its own layer's lower neighbours and from any layer below.
LAYERS = [
    ["errors", "release"],
    ["text", "accepted", "stages", "trace_parent", "garbage", "calibration"],
    ["findings", "views", "linear_regex", "policy_file", "inheritance", "strict_yaml", "conversion"],
    ["scanner", "placeholders", "segments"],
    ["substitutes", "restore", "vault", "evidence"],
    ["sanitizer"],
    ["policy"],
    ["scanners", "inference", "logs"],
    ["config", "registry", "scan"],
    ["chain", "engine", "testing", "shared"],
    ["stream", "rates", "verdict_cache", "traces", "doubts"],
    ["metrics", "assembly"],
    ["shadow", "spans", "audit"],
    ["http"],
    ["connections", "reload"],
    ["asgi", "server", "calibrate", "disclosure", "llm_guard"],
    ["cli"],
    ["__main__"],
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
MODULES = sorted(path for path in ROOT.rglob("*.py") if path.parent != ROOT or path.name != "__init__.py")


def room(path):
    """The top-level name that a file belongs to."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported_rooms(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "scanner_service":
            parts = node.module.split(".")[1:]
            yield from [parts[0]] if parts else [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            yield from (name.name.split(".")[1] for name in node.names if name.name.startswith("scanner_service."))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_downward(path):
    here = room(path)
    for other in imported_rooms(path):
        if other != here:
            assert LEVEL[other] < LEVEL[here], f"{here} imports {other}"


def test_no_scanner_knows_another():
    for path in (ROOT / "scanners").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("scanner_service.scanners."):
                assert node.module.split(".")[2].startswith("_"), f"{path.name} imports {node.module}"


def test_only_the_http_layer_knows_http():
    for path in MODULES:
        if room(path) not in ("http", "connections", "asgi", "server", "cli", "metrics"):
            names = {
                (node.module or "") if isinstance(node, ast.ImportFrom) else node.names[0].name
                for node in ast.walk(ast.parse(path.read_text()))
                if isinstance(node, ast.ImportFrom | ast.Import)
            }
            assert not {name for name in names if name.split(".")[0] in ("starlette", "gunicorn")}, path


def test_opentelemetry_is_optional():
    code = "import sys, scanner_service.asgi; print([name for name in sys.modules if 'opentelemetry' in name])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[]\n"
