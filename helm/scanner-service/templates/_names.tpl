{{- define "scanner-service.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimAll "-" -}}
{{- end -}}

{{- define "scanner-service.fullname" -}}
{{- $name := include "scanner-service.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimAll "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | replace "." "-" | trunc 50 | trimAll "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | replace "." "-" | trunc 50 | trimAll "-" -}}
{{- end -}}
{{- end -}}

{{- define "scanner-service.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/name: {{ include "scanner-service.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{/* Of the pods of the service, before podLabels. */}}
{{- define "scanner-service.podLabels" -}}
{{ include "scanner-service.labels" . }}
app.kubernetes.io/component: service
{{- end -}}

{{/* Of the pods of the service, before podAnnotations. */}}
{{- define "scanner-service.podAnnotations" -}}
kubectl.kubernetes.io/default-container: scanner-service
{{ include "scanner-service.checksums" . | trim }}
{{- end -}}

{{- define "scanner-service.selectorLabels" -}}
app.kubernetes.io/name: {{ include "scanner-service.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: service
{{- end -}}

{{- define "scanner-service.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{- define "scanner-service.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "scanner-service.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* Empty if the policy in the image is used. */}}
{{- define "scanner-service.configMapName" -}}
{{- if .Values.existingConfigMap -}}
{{- .Values.existingConfigMap -}}
{{- else if .Values.config -}}
{{- include "scanner-service.fullname" . -}}
{{- end -}}
{{- end -}}

{{- define "scanner-service.secretName" -}}
{{- default (include "scanner-service.fullname" .) .Values.credentials.existingSecret -}}
{{- end -}}

{{/* The port that a client of a URL calls. Takes port, what the values say (0 for nothing), url, and otherwise. */}}
{{- define "scanner-service.port" -}}
{{- $written := (urlParse .url).host | regexFind ":[0-9]+$" | trimPrefix ":" -}}
{{- .port | default $written | default .otherwise -}}
{{- end -}}

{{/* Not empty if replicas share something. */}}
{{- define "scanner-service.hasRedis" -}}
{{- if or .Values.redis.url .Values.redis.urlSecret -}}yes{{- end -}}
{{- end -}}

{{/* Not empty if there are API keys to mount. */}}
{{- define "scanner-service.hasApiKeys" -}}
{{- if or .Values.credentials.existingSecret .Values.credentials.apiKeys -}}yes{{- end -}}
{{- end -}}
