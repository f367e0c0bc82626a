#!/usr/bin/env bash
# Pin what the image and the deployment checks install: exact versions and hashes, for every Python that
# pyproject.toml allows, and no index address. What is pinned stays as it is unless pyproject.toml asks for more;
# --upgrade moves everything to its newest version, --upgrade-package NAME one package.
#
#     make constraints ARGS=--upgrade          (needs .venv/tools, which `make tools` installs)
set -euo pipefail
cd "$(dirname "$0")/.."

compile() { # compile INPUT OUTPUT ABOUT [OPTION ...]
  .venv/tools/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
    --no-emit-index-url --no-emit-find-links --custom-compile-command "deploy/constraints.sh: $3" \
    --output-file "$2" "${@:4}" "$1"
}

compile pyproject.toml deploy/constraints.txt "what the service needs at run time, with every extra" --all-extras "$@"
python3 -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' |
  compile - deploy/constraints-build.txt "what builds its wheel" "$@"
compile deploy/tools.in deploy/tools.txt "what checks image and chart" "$@"
