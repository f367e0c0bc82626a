{{/* What the standalone container and the sidecar share. Takes root, the chart's scope, and bind, its addresses. */}}
{{- define "scanner-service.container" -}}
{{- $ := .root -}}
name: scanner-service
image: {{ include "scanner-service.image" $ | quote }}
imagePullPolicy: {{ $.Values.image.pullPolicy }}
securityContext:
  runAsNonRoot: true
  {{- with $.Values.user }}
  runAsUser: {{ int64 . }}
  runAsGroup: {{ int64 . }}
  {{- end }}
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
  seccompProfile:
    type: RuntimeDefault
env:
  - name: SCANNER_BIND
    value: {{ .bind | quote }}
  - name: SCANNER_WORKERS
    value: {{ $.Values.workers | quote }}
  {{- if include "scanner-service.configMapName" $ }}
  - name: SCANNER_CONFIG
    value: /etc/scanner-service/config/config.yaml
  {{- end }}
  {{- if include "scanner-service.hasApiKeys" $ }}
  - name: SCANNER_API_KEYS_FILE
    value: /etc/scanner-service/credentials/api-keys
  {{- end }}
  - name: SCANNER_VAULT_KEYS
    valueFrom:
      secretKeyRef:
        name: {{ include "scanner-service.secretName" $ }}
        key: vault-keys
  {{- if or $.Values.credentials.existingSecret $.Values.credentials.auditKey }}
  - name: SCANNER_AUDIT_KEY
    valueFrom:
      secretKeyRef:
        name: {{ include "scanner-service.secretName" $ }}
        key: audit-key
        optional: {{ not $.Values.credentials.auditKey }}
  {{- end }}
  {{- if include "scanner-service.hasRedis" $ }}
  - name: SCANNER_REDIS_URL
    {{- with $.Values.redis.urlSecret }}
    valueFrom:
      secretKeyRef:
        {{- toYaml . | nindent 8 }}
    {{- else }}
    value: {{ $.Values.redis.url | quote }}
    {{- end }}
  {{- end }}
  {{- with $.Values.modelManifest }}
  - name: SCANNER_MODELS
    value: {{ . | quote }}
  {{- end }}
  {{- with $.Values.traces }}
  {{- if .endpoint }}
  - name: OTEL_EXPORTER_OTLP_ENDPOINT
    value: {{ .endpoint | quote }}
  - name: OTEL_TRACES_SAMPLER
    value: parentbased_traceidratio
  - name: OTEL_TRACES_SAMPLER_ARG
    value: {{ .ratio | quote }}
  {{- with .headersSecret }}
  - name: OTEL_EXPORTER_OTLP_HEADERS
    valueFrom:
      secretKeyRef:
        name: {{ .name }}
        key: {{ .key }}
  {{- end }}
  {{- end }}
  {{- end }}
  {{- with $.Values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
resources:
  {{- toYaml $.Values.resources | nindent 2 }}
volumeMounts:
  - name: scanner-service-tmp
    mountPath: /tmp
  {{- if include "scanner-service.configMapName" $ }}
  - name: scanner-service-config
    mountPath: /etc/scanner-service/config
    readOnly: true
  {{- end }}
  {{- if include "scanner-service.hasApiKeys" $ }}
  - name: scanner-service-credentials
    mountPath: /etc/scanner-service/credentials
    readOnly: true
  {{- end }}
  {{- with $.Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- define "scanner-service.volumes" -}}
- name: scanner-service-tmp
  emptyDir:
    medium: Memory
    sizeLimit: {{ .Values.tmpSizeLimit }}
{{- with include "scanner-service.configMapName" . }}
- name: scanner-service-config
  configMap:
    name: {{ . }}
{{- end }}
{{- if include "scanner-service.hasApiKeys" . }}
- name: scanner-service-credentials
  secret:
    secretName: {{ include "scanner-service.secretName" . }}
    optional: false
    items:
      - key: api-keys
        path: api-keys
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Annotations that change with what is mounted, so that a change rolls the pods. */}}
{{- define "scanner-service.checksums" -}}
{{- if .Values.config }}
checksum/config: {{ toYaml .Values.config | sha256sum }}
{{- end }}
{{- if not .Values.credentials.existingSecret }}
checksum/credentials: {{ toYaml .Values.credentials | sha256sum }}
{{- end }}
{{- end -}}
