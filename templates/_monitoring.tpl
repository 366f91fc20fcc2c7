{{- /* Rules of monitoring/prometheus-rules, one object for each file; named as in the platform's library, which is not vendored. */ -}}
{{- define "helm_lib_prometheus_rules" -}}
{{- $root := index . 0 -}}
{{- $namespace := index . 1 -}}
{{- $modules := ($root.Values.global).enabledModules | default list -}}
{{- if or (has "operator-prometheus-crd" $modules) (has "operator-prometheus" $modules) }}
{{- range $path, $_ := $root.Files.Glob "monitoring/prometheus-rules/*.yaml" }}
---
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: registry-{{ base $path | trimSuffix ".yaml" }}
  namespace: {{ $namespace }}
  labels:
    {{- include "registry_module.labels" $root | nindent 4 }}
    app: prometheus
    prometheus: main
    component: rules
spec:
  groups:
    {{- $root.Files.Get $path | trim | nindent 4 }}
{{- end }}
{{- end }}
{{- end -}}
