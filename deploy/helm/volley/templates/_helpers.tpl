{{- define "volley.name" -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end }}

{{- define "volley.selector" -}}
app.kubernetes.io/name: volley
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "volley.labels" -}}
{{ include "volley.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "volley.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{ .Values.serviceAccount.name | default (include "volley.name" .) }}
{{- else -}}
{{ .Values.serviceAccount.name | default "default" }}
{{- end -}}
{{- end }}

{{/* How many workers share the quota of a Firebase project, unless the configuration says it. */}}
{{- define "volley.config" -}}
{{- $workers := .Values.replicaCount -}}
{{- if .Values.keda.enabled -}}{{- $workers = .Values.keda.maxReplicas -}}{{- end -}}
{{- toYaml (merge (deepCopy .Values.config) (dict "workers" $workers)) -}}
{{- end }}
