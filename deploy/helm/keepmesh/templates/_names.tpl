{{/* Names and labels that several templates share. */}}

{{- define "keepmesh.suffix" -}}
{{- if ne .Values.revision "default" }}-{{ .Values.revision }}{{ end -}}
{{- end }}

{{- define "keepmesh.control" -}}
keepmesh-control{{ include "keepmesh.suffix" . }}
{{- end }}

{{- define "keepmesh.node" -}}
keepmesh-node{{ include "keepmesh.suffix" . }}
{{- end }}

{{- define "keepmesh.vip" -}}
keepmesh-vip{{ include "keepmesh.suffix" . }}
{{- end }}

{{/* Names of what belongs to no namespace carry the release's. */}}
{{- define "keepmesh.clusterWide" -}}
{{- $root := index . 0 -}}{{ index . 1 }}-{{ $root.Release.Namespace }}
{{- end }}

{{- define "keepmesh.labels" -}}
app.kubernetes.io/part-of: keepmesh
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
istio.io/rev: {{ .Values.revision | quote }}
{{- end }}

{{/* Of one part's pods: they never change. */}}
{{- define "keepmesh.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ index . 1 }}
istio.io/rev: {{ $root.Values.revision | quote }}
{{- end }}

{{- define "keepmesh.image" -}}
{{- required "global.image is not set: --set global.image=REGISTRY/keepmesh:TAG (deploy/images/README.md builds it)" .Values.global.image -}}
{{- end }}

{{- define "keepmesh.pullSecrets" -}}
{{- with .Values.global.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{/* Which pod and node a process is. */}}
{{- define "keepmesh.podEnvironment" -}}
- name: POD_NAME
  valueFrom: { fieldRef: { fieldPath: metadata.name } }
- name: POD_NAMESPACE
  valueFrom: { fieldRef: { fieldPath: metadata.namespace } }
- name: POD_IP
  valueFrom: { fieldRef: { fieldPath: status.podIP } }
- name: NODE_NAME
  valueFrom: { fieldRef: { fieldPath: spec.nodeName } }
- name: HOST_IP
  valueFrom: { fieldRef: { fieldPath: status.hostIP } }
{{- end }}

{{- define "keepmesh.environment" -}}
{{- range $name, $value := . }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}
