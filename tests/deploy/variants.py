"""Values that between them reach every branch of the chart's templates."""

from __future__ import annotations

from typing import Any

CONFIG = {
    "policies": {
        "default": {
            "prompt": [{"name": "secrets", "kind": "secrets", "action": "redact"}],
            "output": [{"name": "secrets", "kind": "secrets", "action": "redact"}],
        }
    },
    "limits": {"max_body_bytes": 10_485_760},
}

VARIANTS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "own configuration": {"config": CONFIG},
    "own ConfigMap and Secret": {
        "existingConfigMap": "policy",
        "credentials": {"existingSecret": "scanner", "apiKeys": None, "vaultKeys": None},
    },
    "anonymous": {
        "config": CONFIG | {"allow_anonymous": True},
        "credentials": {"vaultKeys": ["0123456789abcdef"], "apiKeys": None},
    },
    "autoscaled": {"autoscaling": {"enabled": True, "minReplicas": 3, "maxReplicas": 30}, "workers": 4},
    "monitored": {
        "config": CONFIG | {"metrics_require_key": True},
        "serviceMonitor": {
            "enabled": True,
            "labels": {"release": "prometheus"},
            "bearerTokenSecret": {"name": "prometheus", "key": "token"},
        },
        "grafanaDashboard": {"enabled": True},
        "prometheusRule": {"enabled": True, "labels": {"role": "alerts"}, "runbookUrl": "https://example.com/runbook"},
    },
    "closed off": {
        "networkPolicy": {
            "allowFrom": [{"namespaceSelector": {"matchLabels": {"team": "chat"}}}],
            "egress": [{"ports": [{"port": 6379, "protocol": "TCP"}]}],
        },
        "test": {"apiKeySecret": {"name": "caller", "key": "api-key"}},
    },
    "audited": {
        "config": CONFIG | {"audit": {"to": "file", "path": "/var/log/scanner-service/audit.jsonl", "required": True}},
        "credentials": {"vaultKeys": ["0123456789abcdef"], "apiKeys": {"a": "0" * 64}, "auditKey": "fedcba9876543210"},
        "extraVolumes": [{"name": "audit", "persistentVolumeClaim": {"claimName": "audit"}}],
        "extraVolumeMounts": [{"name": "audit", "mountPath": "/var/log/scanner-service"}],
    },
    "sharing": {"redis": {"url": "rediss://redis.shared:6380/1"}},
    "sharing with a password": {
        "redis": {
            "urlSecret": {"name": "redis", "key": "url"},
            "allowTo": [{"podSelector": {"matchLabels": {"app": "redis"}}}],
        },
        "networkPolicy": {"egress": [{"ports": [{"port": 4318, "protocol": "TCP"}]}]},
    },
    "audited by a collector": {
        "config": CONFIG | {"audit": {"to": "otlp"}},
        "extraEnv": [{"name": "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "value": "http://collector:4318/v1/logs"}],
        "networkPolicy": {"egress": [{"ports": [{"port": 4318, "protocol": "TCP"}]}]},
    },
    "traced": {
        "traces": {
            "endpoint": "http://collector.observability:4318",
            "ratio": 0.1,
            "headersSecret": {"name": "collector", "key": "headers"},
            "port": 14318,
            "allowTo": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "observability"}}}],
        },
    },
    "on OpenShift": {"user": ""},
    "bare": {
        "networkPolicy": {"enabled": False},
        "podDisruptionBudget": {"enabled": False},
        "serviceAccount": {"create": False},
        "topologySpread": {"keys": []},
        "replicaCount": 1,
    },
    "placed": {
        "image": {"repository": "registry.example/scan", "digest": "sha256:" + "0" * 64, "pullSecrets": ["registry"]},
        "nodeSelector": {"disk": "fast"},
        "tolerations": [{"key": "dedicated", "operator": "Exists", "effect": "NoSchedule"}],
        "affinity": {
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}]
                }
            }
        },
        "priorityClassName": "high",
        "podLabels": {"team": "security"},
        "podAnnotations": {"note": "kept"},
        "topologySpread": {"keys": ["kubernetes.io/hostname"], "whenUnsatisfiable": "DoNotSchedule"},
        "service": {"type": "NodePort", "port": 80, "annotations": {"a": "b"}},
        "serviceAccount": {"name": "scan", "annotations": {"a": "b"}},
        "listen": "[::]",
    },
    "own models": {
        "modelManifest": "/models/manifest.toml",
        "extraVolumes": [{"name": "models", "persistentVolumeClaim": {"claimName": "models", "readOnly": True}}],
        "extraVolumeMounts": [{"name": "models", "mountPath": "/models", "readOnly": True}],
        "extraEnv": [{"name": "TZ", "value": "UTC"}],
    },
    "only for sidecars": {"workload": "sidecar", "config": CONFIG},
}

# What the schema, or the chart where a schema cannot say it, refuses, with a part of what is said then.
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown key": ({"replicas": 3}, "replicas"),
    "an unknown key further in": ({"image": {"name": "x"}}, "name"),
    "a number for a text": ({"image": {"tag": 1.5}}, "tag"),
    "a key in place of its digest": ({"credentials": {"apiKeys": {"app": "my-secret-key"}}}, "apiKeys"),
    "a short vault key": ({"credentials": {"vaultKeys": ["short"]}}, "vaultKeys"),
    "two vault keys in one": ({"credentials": {"vaultKeys": ["0123456789abcdef,0123456789abcdef"]}}, "vaultKeys"),
    "a short audit key": ({"credentials": {"auditKey": "short"}}, "auditKey"),
    "an audit log that goes nowhere": ({"config": CONFIG | {"audit": {"to": "file"}}}, "config.audit"),
    "an audit log with a key too many": (
        {"config": CONFIG | {"audit": {"to": "stdout", "path": "/a"}}},
        "config.audit",
    ),
    "no vault key": ({"credentials": {"vaultKeys": []}}, "vaultKeys"),
    "nobody who could call": ({"credentials": {"apiKeys": None}}, "nobody could call"),
    "two sources of credentials": ({"credentials": {"existingSecret": "scanner"}}, "excludes"),
    "two sources of configuration": ({"config": CONFIG, "existingConfigMap": "policy"}, "exclude each other"),
    "a password among the values": ({"redis": {"url": "redis://:secret@redis:6379"}}, "url"),
    "two addresses of Redis": (
        {"redis": {"url": "redis://redis:6379", "urlSecret": {"name": "redis", "key": "url"}}},
        "exclude each other",
    ),
    "a misspelt key of a rule": (
        {
            "config": {
                "policies": {
                    "default": {
                        "prompt": [{"name": "secrets", "kind": "secrets", "treshold": 0.5}],
                        "output": [{"name": "secrets", "kind": "secrets"}],
                    }
                }
            }
        },
        "treshold",
    ),
    "a threshold over 1": (
        {
            "config": {
                "policies": {
                    "default": {
                        "prompt": [{"name": "secrets", "kind": "secrets", "threshold": 50}],
                        "output": [{"name": "secrets", "kind": "secrets"}],
                    }
                }
            }
        },
        "threshold",
    ),
    "an empty chain": ({"config": {"policies": {"default": {"prompt": [], "output": []}}}}, "prompt"),
    "an audit log on the read-only root": (
        {"config": CONFIG | {"audit": {"to": "file", "path": "/var/log/audit.jsonl"}}},
        "read-only",
    ),
    "a grant for a key that nobody has": (
        {"config": CONFIG | {"keys": {"ap": {"policies": ["default"]}}}},
        "config.keys.ap",
    ),
    "a name that no Service may have": ({"fullnameOverride": "scan.ner"}, "fullnameOverride"),
    "root": ({"user": 0}, "user"),
    "a disruption budget of no percent": ({"podDisruptionBudget": {"maxUnavailable": "0%"}}, "maxUnavailable"),
    "no worker": ({"workers": 0}, "workers"),
    "an unknown workload": ({"workload": "daemonset"}, "workload"),
    "a mutable digest": ({"image": {"digest": "latest"}}, "digest"),
    "less time to drain than a request and the end may take": (
        {"shutdown": {"drainSeconds": 29}},
        "drainSeconds is less than the 30",
    ),
    "a monitor without the key it needs": (
        {"config": CONFIG | {"metrics_require_key": True}, "serviceMonitor": {"enabled": True}},
        "bearerTokenSecret",
    ),
    "a key for metrics where nobody needs one": (
        {"config": CONFIG | {"metrics_require_key": True, "allow_anonymous": True}},
        "config.metrics_require_key",
    ),
    "a disruption budget of nothing, which no node could ever be drained with": (
        {"podDisruptionBudget": {"maxUnavailable": 0}},
        "maxUnavailable",
    ),
    "an endpoint for traces that is no URL": ({"traces": {"endpoint": "collector:4318"}}, "endpoint"),
    "a password in an endpoint, where everybody sees it": (
        {"traces": {"endpoint": "http://user:password@collector:4318"}},
        "endpoint",
    ),
    "more traces than requests": ({"traces": {"ratio": 2}}, "ratio"),
    "an address that no kubelet calls": ({"listen": "127.0.0.1"}, "listen"),
    "an address that is none": ({"listen": "1.2.3.4.5"}, "listen"),
    "an address without its brackets": ({"listen": "::"}, "listen"),
    "fewer replicas than there must be": (
        {"autoscaling": {"enabled": True, "minReplicas": 5, "maxReplicas": 2}},
        "autoscaling.minReplicas is more than autoscaling.maxReplicas",
    ),
    "a default policy that there is none of": (
        {"config": CONFIG | {"default_policy": "nope"}},
        "config.default_policy is nope, which is not in config.policies",
    ),
    "policies without the default": (
        {"config": {"policies": {"strict": CONFIG["policies"]["default"]}}},
        "config.default_policy is default, which is not in config.policies",
    ),
    "an audit log for a collector that nobody names": (
        {"config": CONFIG | {"audit": {"to": "otlp"}}},
        "config.audit.to is otlp: set traces.endpoint",
    ),
    "an audit log for a collector that cannot be reached": (
        {
            "config": CONFIG | {"audit": {"to": "otlp"}},
            "extraEnv": [{"name": "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "value": "http://collector:4318/v1/logs"}],
        },
        "config.audit.to is otlp: networkPolicy.egress",
    ),
    "a label that selects the pods": (
        {"podLabels": {"app.kubernetes.io/name": "mine"}},
        "podLabels: app.kubernetes.io/name is one that the chart sets",
    ),
    "the component once more": (
        {"podLabels": {"app.kubernetes.io/component": "mine"}},
        "podLabels: app.kubernetes.io/component is one that the chart sets",
    ),
    "an annotation that rolls the pods": (
        {"podAnnotations": {"checksum/credentials": "mine"}},
        "podAnnotations: checksum/credentials is one that the chart sets",
    ),
    "a label that finds the release": (
        {"serviceMonitor": {"labels": {"app.kubernetes.io/instance": "mine"}}},
        "serviceMonitor.labels: app.kubernetes.io/instance is one that the chart sets",
    ),
    "a variable that the chart sets": (
        {"extraEnv": [{"name": "SCANNER_WORKERS", "value": "4"}]},
        "extraEnv: SCANNER_WORKERS is one that the chart sets",
    ),
    "autoscaling by the share of nothing": (
        {"autoscaling": {"enabled": True}, "resources": {"requests": {"cpu": None}}},
        "resources.requests.cpu",
    ),
    "a misspelt key among the options of a kind": (
        {
            "config": {
                "policies": {
                    "default": {
                        "prompt": [{"name": "pii", "kind": "pii", "options": {"entites": ["PERSON"]}}],
                        "output": [{"name": "secrets", "kind": "secrets"}],
                    }
                }
            }
        },
        "Additional property entites is not allowed",
    ),
    "a privileged port for the sidecar": ({"sidecar": {"port": 80}}, "port"),
}
