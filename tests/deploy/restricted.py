"""The Pod Security Standard "restricted" of Kubernetes, as far as a pod template can break it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}


def violations(spec: dict[str, Any]) -> Iterator[str]:
    """What in the pod *spec* the admission controller would refuse, and writable roots, which it would not."""
    of_pod = spec.get("securityContext", {})
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(name):
            yield name
    for volume in spec.get("volumes", []):
        if not VOLUMES & set(volume):
            yield f"volume {volume['name']}"
    for container in spec.get("initContainers", []) + spec["containers"]:
        own = container.get("securityContext", {})
        where = container["name"]
        if not own.get("runAsNonRoot", of_pod.get("runAsNonRoot")):
            yield f"{where}: runAsNonRoot"
        if own.get("runAsUser", of_pod.get("runAsUser")) == 0:  # without one it is that of the image
            yield f"{where}: root"
        if own.get("allowPrivilegeEscalation") is not False:
            yield f"{where}: allowPrivilegeEscalation"
        if own.get("capabilities") != {"drop": ["ALL"]}:
            yield f"{where}: capabilities"
        if own.get("seccompProfile", of_pod.get("seccompProfile")) != {"type": "RuntimeDefault"}:
            yield f"{where}: seccompProfile"
        if not own.get("readOnlyRootFilesystem"):
            yield f"{where}: readOnlyRootFilesystem"
        if any("hostPort" in port for port in container.get("ports", [])):
            yield f"{where}: hostPort"
