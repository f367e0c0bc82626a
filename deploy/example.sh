#!/usr/bin/env bash
# Render the sidecar example, as helm/examples/kustomize/chat.yaml holds it for those who use Kustomize.
#
#     deploy/example.sh [HELM_OPTION ...] > helm/examples/kustomize/chat.yaml
set -euo pipefail
cd "$(dirname "$0")/.."
charts=$(mktemp -d)
trap 'rm -rf "$charts"' EXIT
cp -R helm/examples/sidecar "$charts/chat"
rm -rf "$charts/chat/charts" && mkdir "$charts/chat/charts"
cp -R helm/scanner-service "$charts/chat/charts/"
.venv/tools/bin/helm template chat "$charts/chat" --kube-version 1.31.0 "$@"
