{{/*
The webhooks that put proxies into pods, of one revision or tag. In: the root, the name by which pods choose it (revision or
tag), and whether it is the one of istio-injection=enabled. The leader of the control planes adds caBundle to each.
*/}}
{{- define "keepmesh.injector" -}}
{{- $root := .root }}
{{- $excluded := dict "key" "kubernetes.io/metadata.name" "operator" "NotIn" "values" $root.Values.injection.excludedNamespaces }}
{{- $isRevision := dict "key" "istio.io/rev" "operator" "In" "values" (list .name) }}
{{- $noRevision := dict "key" "istio.io/rev" "operator" "DoesNotExist" }}
{{- $noLabel := dict "key" "istio-injection" "operator" "DoesNotExist" }}
{{- $enabled := dict "key" "istio-injection" "operator" "In" "values" (list "enabled") }}
{{- $notRefused := dict "key" "sidecar.istio.io/inject" "operator" "NotIn" "values" (list "false") }}
{{- $wanted := dict "key" "sidecar.istio.io/inject" "operator" "In" "values" (list "true") }}
{{- $undecided := dict "key" "sidecar.istio.io/inject" "operator" "DoesNotExist" }}
{{- $hooks := list
  (dict "name" "rev.namespace" "namespaces" (list $isRevision $noLabel $excluded) "pods" (list $notRefused))
  (dict "name" "rev.object" "namespaces" (list $noRevision $noLabel $excluded) "pods" (list $notRefused $isRevision)) }}
{{- if .isDefault }}
{{- $hooks = concat $hooks (list
  (dict "name" "namespace" "namespaces" (list $enabled $excluded) "pods" (list $notRefused))
  (dict "name" "object" "namespaces" (list $noLabel $noRevision $excluded) "pods" (list $wanted $noRevision))) }}
{{- if $root.Values.injection.byDefault }}
{{- $hooks = append $hooks
  (dict "name" "auto" "namespaces" (list $noLabel $noRevision $excluded) "pods" (list $undecided $noRevision)) }}
{{- end }}
{{- end }}
{{- range $hooks }}
- name: {{ .name }}.sidecar-injector.keepmesh.io
  admissionReviewVersions: [v1]
  clientConfig:
    service:
      name: {{ include "keepmesh.control" $root }}
      namespace: {{ $root.Release.Namespace }}
      path: /inject
      port: 443
  rules:
    - { apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods], scope: Namespaced }
  namespaceSelector:
    matchExpressions: {{ toYaml .namespaces | nindent 6 }}
  objectSelector:
    matchExpressions: {{ toYaml .pods | nindent 6 }}
  failurePolicy: {{ $root.Values.injection.failurePolicy }}
  matchPolicy: Equivalent
  reinvocationPolicy: Never
  sideEffects: None
  timeoutSeconds: 10
{{- end }}
{{- end }}
