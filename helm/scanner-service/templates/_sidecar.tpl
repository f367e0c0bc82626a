{{/*
The scanner as a native sidecar, for the initContainers of another chart's pod. That chart depends on this one with
workload: sidecar, and passes its scope:

    initContainers:
      {{- include "scanner-service.sidecar" (index .Subcharts "scanner-service") | nindent 6 }}
    containers:
      - name: app
        env:
          {{- include "scanner-service.sidecar.env" (index .Subcharts "scanner-service") | nindent 10 }}
        volumeMounts:
          {{- include "scanner-service.sidecar.volumeMounts" (index .Subcharts "scanner-service") | nindent 10 }}
    volumes:
      {{- include "scanner-service.sidecar.volumes" (index .Subcharts "scanner-service") | nindent 6 }}

The pod needs fsGroup: 10001, or what `user` says: the socket and the credentials belong to that group. It starts before the application
and stops after it, and nothing outside the pod can reach it; hence probes that run inside.
*/}}
{{- define "scanner-service.sidecar" -}}
{{- include "scanner-service.checks" . -}}
{{- if semverCompare "<1.29.0-0" .Capabilities.KubeVersion.Version -}}
{{- fail "native sidecars need Kubernetes 1.29" -}}
{{- end -}}
{{- $socket := eq .Values.sidecar.transport "socket" -}}
{{- $bind := $socket | ternary "unix:/run/scanner-service/scanner.sock" (printf "127.0.0.1:%v" .Values.sidecar.port) -}}
- {{ include "scanner-service.container" (dict "root" . "bind" $bind) | nindent 2 | trim }}
    {{- if $socket }}
    - name: scanner-service-socket
      mountPath: /run/scanner-service
    {{- end }}
  restartPolicy: Always
  startupProbe:
    exec:
      command: [healthcheck, /readyz]
    periodSeconds: 2
    timeoutSeconds: {{ .Values.probes.timeoutSeconds }}
    failureThreshold: {{ div .Values.probes.startupSeconds 2 }}
  livenessProbe:
    exec:
      command: [healthcheck, /healthz]
    periodSeconds: {{ mul .Values.probes.periodSeconds 4 }}
    timeoutSeconds: {{ .Values.probes.timeoutSeconds }}
    failureThreshold: 3
  readinessProbe:
    exec:
      command: [healthcheck, /readyz]
    periodSeconds: {{ mul .Values.probes.periodSeconds 2 }}
    timeoutSeconds: {{ .Values.probes.timeoutSeconds }}
    failureThreshold: 2
{{- end -}}

{{/* Where the application finds the scanner, as the client package reads it. */}}
{{- define "scanner-service.sidecar.env" -}}
- name: SCANNER_URL
{{- if eq .Values.sidecar.transport "socket" }}
  value: unix:///run/scanner-service/scanner.sock
{{- else }}
  value: {{ printf "http://127.0.0.1:%v" .Values.sidecar.port | quote }}
{{- end }}
{{- end -}}

{{- define "scanner-service.sidecar.volumeMounts" -}}
{{- if eq .Values.sidecar.transport "socket" -}}
- name: scanner-service-socket
  mountPath: /run/scanner-service
  readOnly: true
{{- end -}}
{{- end -}}

{{- define "scanner-service.sidecar.volumes" -}}
{{- include "scanner-service.volumes" . }}
{{- if eq .Values.sidecar.transport "socket" }}
- name: scanner-service-socket
  emptyDir:
    medium: Memory
    sizeLimit: 1Mi
{{- end }}
{{- end -}}

{{- define "scanner-service.sidecar.annotations" -}}
{{- include "scanner-service.checksums" . | trim -}}
{{- end -}}
