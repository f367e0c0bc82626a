#!/usr/bin/env bash
# Build the image, run it hardened, run what the chart renders as pods, and ask them over HTTP: `make image-test`.
# Where the tools cannot be had, this says why and is done.
set -euo pipefail
cd "$(dirname "$0")/.."
export CONTAINERS_CONF="$PWD/deploy/containers.conf"
packages="buildah podman debootstrap runc catatonit netavark aardvark-dns iptables"

skip() { echo "image test skipped: $1"; exit 0; }

missing=""
for tool in podman buildah runc debootstrap; do
  command -v "$tool" >/dev/null || missing+=" $tool"
done
if [ -n "$missing" ]; then
  [ "$(id -u)" = 0 ] || skip "not installed, and only root could do that:$missing"
  command -v apt-get >/dev/null || skip "not installed, and there is no apt-get:$missing"
  apt-get update -qq || skip "Debian's packages cannot be reached"
  # shellcheck disable=SC2086
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >/dev/null \
    || skip "$packages cannot be installed"
fi

# The public image where a registry can be reached; otherwise one with this machine's Python.
if pulled=$(buildah pull -q python:3.12-slim 2>/dev/null); then
  version=3.12
  buildah tag "$pulled" localhost/python:3.12-slim
else
  version=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  buildah images -q "localhost/python:$version-slim" >/dev/null 2>&1 || deploy/base_image.sh
fi

mounts=()
for file in /etc/ssl/certs/ca-certificates.crt /etc/pip.conf; do # how this machine reaches a package index
  [ ! -e "$file" ] || mounts+=(--volume "$file:$file:ro")
done
buildah bud --quiet --layers --format docker --isolation chroot --network host --build-arg "PYTHON_VERSION=$version" \
  --build-arg "REVISION=$(git rev-parse HEAD)" "${mounts[@]}" --tag localhost/scanner-service:test .

SCANNER_TEST_PYTHON="localhost/python:$version-slim" .venv/bin/pytest --timeout 300 "$@" tests/container
