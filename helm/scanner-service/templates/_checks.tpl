{{/* What the schema cannot say: stops an installation that could not start, or would not be what it seems. */}}
{{- define "scanner-service.checks" -}}
{{- $credentials := .Values.credentials -}}
{{- if and .Values.config .Values.existingConfigMap -}}
{{- fail "config and existingConfigMap exclude each other" -}}
{{- end -}}
{{- if and $credentials.existingSecret (or $credentials.apiKeys $credentials.vaultKeys $credentials.auditKey) -}}
{{- fail "credentials.existingSecret excludes credentials.apiKeys, credentials.vaultKeys and credentials.auditKey" -}}
{{- end -}}
{{- if and .Values.redis.url .Values.redis.urlSecret -}}
{{- fail "redis.url and redis.urlSecret exclude each other" -}}
{{- end -}}
{{- if not (or $credentials.existingSecret $credentials.vaultKeys) -}}
{{- fail "credentials.vaultKeys or credentials.existingSecret is needed: without a shared secret, a pod cannot put back what another one replaced" -}}
{{- end -}}
{{- if not (or (include "scanner-service.hasApiKeys" .) .Values.config.allow_anonymous .Values.existingConfigMap) -}}
{{- fail "nobody could call: set credentials.apiKeys or credentials.existingSecret, or config.allow_anonymous: true" -}}
{{- end -}}
{{- if and .Values.config.metrics_require_key .Values.config.allow_anonymous -}}
{{- fail "config.metrics_require_key: nobody needs a key where config.allow_anonymous is true" -}}
{{- end -}}
{{- if and .Values.config.metrics_require_key .Values.serviceMonitor.enabled (not .Values.serviceMonitor.bearerTokenSecret) -}}
{{- fail "config.metrics_require_key is true: the ServiceMonitor needs serviceMonitor.bearerTokenSecret" -}}
{{- end -}}
{{- $longest := addf (default 10 .Values.config.scan_timeout_seconds) (default 10 .Values.config.body_timeout_seconds) 10 -}}
{{- if lt (float64 .Values.shutdown.drainSeconds) $longest -}}
{{- fail (printf "shutdown.drainSeconds is less than the %.0f that the longest request and the end after it may take" $longest) -}}
{{- end -}}
{{- if .Values.config -}}
{{- $default := default "default" .Values.config.default_policy -}}
{{- if not (hasKey .Values.config.policies $default) -}}
{{- fail (printf "config.default_policy is %s, which is not in config.policies" $default) -}}
{{- end -}}
{{- end -}}
{{- if not $credentials.existingSecret -}}
{{- range $name, $_ := .Values.config.keys -}}
{{- if not (or (hasKey (default dict $credentials.apiKeys) $name) (and (eq $name "anonymous") $.Values.config.allow_anonymous)) -}}
{{- fail (printf "config.keys.%s: credentials.apiKeys has no key of this name" $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and (eq .Values.workload "deployment") (not (regexMatch "^[a-z]" (include "scanner-service.fullname" .))) -}}
{{- fail "the name of a Service begins with a letter: set fullnameOverride" -}}
{{- end -}}
{{- $audit := default dict .Values.config.audit -}}
{{- if eq "file" (default "" $audit.to) -}}
{{- $writable := false -}}
{{- range concat (list (dict "mountPath" "/tmp") (dict "mountPath" "/dev/shm")) .Values.extraVolumeMounts -}}
{{- if hasPrefix (printf "%s/" (trimSuffix "/" .mountPath)) $audit.path -}}
{{- $writable = true -}}
{{- end -}}
{{- end -}}
{{- if not $writable -}}
{{- fail (printf "config.audit.path is %s, and the root file system is read-only: mount a volume there with extraVolumes and extraVolumeMounts" $audit.path) -}}
{{- end -}}
{{- end -}}
{{- if eq "otlp" (default "" $audit.to) -}}
{{- $named := false -}}
{{- range .Values.extraEnv -}}
{{- if has .name (list "OTEL_EXPORTER_OTLP_ENDPOINT" "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT") -}}
{{- $named = true -}}
{{- end -}}
{{- end -}}
{{- if not (or .Values.traces.endpoint $named) -}}
{{- fail "config.audit.to is otlp: set traces.endpoint, or OTEL_EXPORTER_OTLP_LOGS_ENDPOINT with extraEnv" -}}
{{- end -}}
{{- $closed := and (eq .Values.workload "deployment") .Values.networkPolicy.enabled (not .Values.networkPolicy.egress) -}}
{{- if and $closed (not .Values.traces.endpoint) -}}
{{- fail "config.audit.to is otlp: networkPolicy.egress must let the pods call the collector that extraEnv names" -}}
{{- end -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled (gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas)) -}}
{{- fail "autoscaling.minReplicas is more than autoscaling.maxReplicas" -}}
{{- end -}}
{{- $resources := default dict .Values.resources -}}
{{- $cpu := list (dig "requests" "cpu" "" $resources) (dig "limits" "cpu" "" $resources) -}}
{{- if and .Values.autoscaling.enabled (not (compact $cpu)) -}}
{{- fail "autoscaling goes by the share of resources.requests.cpu that is used, and there is none" -}}
{{- end -}}
{{- $labels := fromYaml (include "scanner-service.labels" .) -}}
{{- range list
  (list "podLabels" .Values.podLabels (fromYaml (include "scanner-service.podLabels" .)))
  (list "podAnnotations" .Values.podAnnotations (fromYaml (include "scanner-service.podAnnotations" .)))
  (list "serviceMonitor.labels" .Values.serviceMonitor.labels $labels)
  (list "prometheusRule.labels" .Values.prometheusRule.labels $labels)
  (list "grafanaDashboard.labels" .Values.grafanaDashboard.labels $labels)
-}}
{{- $where := index . 0 -}}
{{- $own := index . 2 -}}
{{- range $key, $_ := index . 1 -}}
{{- if hasKey $own $key -}}
{{- fail (printf "%s: %s is one that the chart sets" $where $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $set := list -}}
{{- range (fromYaml (include "scanner-service.container" (dict "root" . "bind" ""))).env -}}
{{- if has .name $set -}}
{{- fail (printf "extraEnv: %s is one that the chart sets, or is there twice" .name) -}}
{{- end -}}
{{- $set = append $set .name -}}
{{- end -}}
{{- end -}}
