"""The files an image is made of; that it builds and runs is the business of `make image-test`."""

from __future__ import annotations

import re
import tomllib
from fnmatch import fnmatch

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.deploy.conftest import ROOT, run

DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
LAST_STAGE = DOCKERFILE[DOCKERFILE.rindex("\nFROM ") :]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def test_hadolint_finds_nothing():
    done = run("hadolint", ROOT / "Dockerfile")
    assert done.returncode == 0, done.stdout


def test_the_image_runs_as_a_user_whose_number_kubernetes_can_check():
    assert re.findall(r"^USER (.+)", LAST_STAGE, re.MULTILINE) == ["10001:10001"]


def test_the_last_stage_installs_nothing():
    assert not re.search(r"\b(apt-get|pip install|gcc|curl)\b", LAST_STAGE)


def test_where_packages_come_from_can_be_said_and_is_not_in_the_image():
    assert "\nARG PIP_INDEX_URL\n" in DOCKERFILE[: DOCKERFILE.index("pip install")]
    assert "INDEX" not in LAST_STAGE


@pytest.mark.parametrize("name", ["constraints", "constraints-build", "tools"])
def test_every_pin_has_hashes_and_no_file_names_an_index(name):
    content = (ROOT / "deploy" / f"{name}.txt").read_text("utf-8")
    assert not re.search(r"https?:|--(extra-)?index-url|--find-links|^-i ", content, re.MULTILINE)
    entries = re.split(r"^(?=[a-z0-9])", content, flags=re.MULTILINE)[1:]
    assert entries
    for entry in entries:
        assert re.match(r"[a-z0-9.-]+==\S+", entry), entry
        assert "--hash=sha256:" in entry, entry


def test_every_dependency_is_pinned_within_its_bounds():
    extras = [one for group in PROJECT["project"].get("optional-dependencies", {}).values() for one in group]
    assert unpinned(PROJECT["project"]["dependencies"] + extras, "constraints") == []
    assert unpinned(PROJECT["build-system"]["requires"], "constraints-build") == []


def test_a_dependency_that_is_not_pinned_is_noticed():
    assert unpinned(["torch", "starlette<1", "starlette"], "constraints") == ["torch", "starlette<1"]


def unpinned(requirements: list[str], name: str) -> list[str]:
    """Those of *requirements* that deploy/NAME.txt does not meet; `make constraints` writes it."""
    content = (ROOT / "deploy" / f"{name}.txt").read_text("utf-8")
    found = re.findall(r"^([\w.-]+)==([^\s;]+)", content, re.MULTILINE)
    pins = {canonicalize_name(pin): Version(version) for pin, version in found}
    return [one for one in requirements if not met(Requirement(one), pins)]


def met(requirement: Requirement, pins: dict[str, Version]) -> bool:
    pin = pins.get(canonicalize_name(requirement.name))
    return pin is not None and pin in requirement.specifier


def test_torch_is_not_in_the_image():
    names = re.findall(r"^([\w.-]+)==", (ROOT / "deploy" / "constraints.txt").read_text("utf-8"), re.MULTILINE)
    assert not {"torch", "transformers", "tensorflow"} & set(names)


def test_the_builder_gets_what_it_copies_and_neither_history_nor_secrets():
    copied = [path for line in re.findall(r"^COPY (?!--from)(.+)", DOCKERFILE, re.MULTILINE) for path in sources(line)]
    assert copied
    for path in copied:
        assert (ROOT / path).exists(), path
        assert not ignored(path), path
    for path in (".git", ".venv", "tests", "training", "bench", ".env", "scanner_service/__pycache__"):
        assert ignored(path), path


def test_what_the_licences_want_beside_the_image_is_in_it():
    (copied,) = [
        sources(line) for line in re.findall(r"^COPY (.+)", DOCKERFILE, re.MULTILINE) if "pyproject.toml" in line
    ]
    assert {"LICENSE", "NOTICE"} <= set(copied)  # where they are, the wheel has them too


def sources(arguments: str) -> list[str]:
    return [one for one in arguments.split() if not one.startswith("--")][:-1]


def ignored(path: str) -> bool:
    """Whether .dockerignore keeps *path* from the builder: the last line that matches it or a folder above decides."""
    result = False
    for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines():
        pattern = line.removeprefix("!").removeprefix("**/")
        parts = path.split("/")
        above = ["/".join(parts[: n + 1]) for n in range(len(parts))]
        if pattern and not line.startswith("#") and any(fnmatch(one, pattern) for one in [*above, parts[-1]]):
            result = not line.startswith("!")
    return result
