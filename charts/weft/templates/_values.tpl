{{- /* Values given that nothing reads, one "path: why" a line. */}}
{{- define "weft.withoutEffect" -}}
{{- $known := dict -}}
{{- range .Files.Lines "files/known-values.txt" -}}
  {{- if . -}}{{- $_ := set $known . true -}}{{- end -}}
{{- end -}}
{{- $acc := dict "found" list -}}
{{- include "weft.unknownValues" (dict "path" "" "value" (omit .Values "global") "known" $known "acc" $acc) -}}
{{- $reasons := .Files.Get "files/without-effect.yaml" | fromYaml -}}
{{- range $path := $acc.found | sortAlpha -}}
  {{- $why := "not a value of this chart" -}}
  {{- range $prefix, $text := $reasons -}}
    {{- if hasPrefix (printf "%s." $prefix) (printf "%s." $path) -}}{{- $why = $text -}}{{- end -}}
  {{- end -}}
{{ $path }}: {{ $why }}
{{ end -}}
{{- end }}

{{- /* Adds to acc.found the paths of leaves that are not at or below a known path. */}}
{{- define "weft.unknownValues" -}}
{{- range $key, $value := .value -}}
  {{- $path := $key -}}
  {{- if $.path -}}{{- $path = printf "%s.%s" $.path $key -}}{{- end -}}
  {{- if not (or (hasKey $.known $path) (kindIs "invalid" $value)) -}}
    {{- if kindIs "map" $value -}}
      {{- include "weft.unknownValues" (dict "path" $path "value" $value "known" $.known "acc" $.acc) -}}
    {{- else -}}
      {{- $_ := set $.acc "found" (append $.acc.found $path) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- end }}
