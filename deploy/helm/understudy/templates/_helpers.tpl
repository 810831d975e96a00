{{/* Names and labels, and the configuration with the chart's drain. */}}

{{- define "understudy.name" -}}
{{- contains .Chart.Name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "understudy.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "understudy.labels" -}}
{{ include "understudy.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "understudy.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (include "understudy.name" .) }}
{{- end }}

{{- define "understudy.config" -}}
{{- $config := deepCopy .Values.config }}
{{- $server := deepCopy ($config.server | default dict) }}
{{- if $server.drain }}{{ fail "config.server.drain is set by the values drain.delay and drain.timeout, in seconds" }}{{ end }}
{{- $_ := set $server "drain" (dict "delay" (printf "%ds" (int .Values.drain.delay)) "timeout" (printf "%ds" (int .Values.drain.timeout))) }}
{{- $_ := set $config "server" $server }}
{{- toYaml $config }}
{{- end }}
