{{- /*
The mesh's authority: given by value, found in the cluster, or made. Kept on the root context, so that all certificates of one
rendering come from the same one. Afterwards .ca is {Cert, Key} and .caBundle what peers are checked against.
*/}}
{{- define "weft.ca" -}}
{{- if not .ca -}}
  {{- $name := .Values.tls.secretName -}}
  {{- $found := lookup "v1" "Secret" .Release.Namespace $name -}}
  {{- $ca := dict -}}
  {{- if and .Values.tls.ca.cert .Values.tls.ca.key -}}
    {{- $ca = buildCustomCert .Values.tls.ca.cert .Values.tls.ca.key -}}
  {{- else if or .Values.tls.ca.cert .Values.tls.ca.key -}}
    {{- fail "tls.ca: cert without key or key without cert; give both, or neither" -}}
  {{- else if and $found (get $found.data "ca.crt") (get $found.data "ca.key") -}}
    {{- $ca = buildCustomCert (get $found.data "ca.crt") (get $found.data "ca.key") -}}
  {{- else if $found -}}
    {{- fail (printf "secret %s/%s: lacks ca.crt or ca.key; add them, or delete the secret to have a new authority made" .Release.Namespace $name) -}}
  {{- else -}}
    {{- $ca = genCA "Weft CA" (int .Values.tls.ca.certValidityDuration) -}}
  {{- end -}}
  {{- $_ := set . "ca" $ca -}}
  {{- $bundle := $ca.Cert | trim -}}
  {{- if .Values.tls.caBundle.enabled -}}
    {{- $bundle = printf "%s\n%s" $bundle (.Values.tls.caBundle.content | trim) -}}
  {{- end -}}
  {{- $_ := set . "caBundle" (printf "%s\n" $bundle) -}}
{{- end -}}
{{- end }}

{{- /*
A TLS secret: dict "root" . "secret" NAME "cn" CN "ips" LIST "names" LIST. One that exists is kept while it was made
from the same authority and names and is younger than two thirds of its life, so that an upgrade for another reason changes nothing.
*/}}
{{- define "weft.certificate" -}}
{{- $root := .root -}}
{{- include "weft.ca" $root -}}
{{- $days := int $root.Values.clustermesh.apiserver.tls.auto.certValidityDuration -}}
{{- $inputs := list $root.ca.Cert .cn .ips .names $days | toJson | sha256sum -}}
{{- $now := now | unixEpoch | int64 -}}
{{- $old := lookup "v1" "Secret" $root.Release.Namespace .secret -}}
{{- $notes := dict -}}
{{- if $old -}}{{- $notes = default dict $old.metadata.annotations -}}{{- end -}}
{{- $renew := add $now (mul $days 57600) -}}
{{- $cert := "" -}}
{{- $key := "" -}}
{{- if and $old (eq (toString (get $notes "weft.io/made-from")) $inputs) (lt $now (int64 (default "0" (get $notes "weft.io/renew-after")))) -}}
  {{- $cert = get $old.data "tls.crt" -}}
  {{- $key = get $old.data "tls.key" -}}
  {{- $renew = get $notes "weft.io/renew-after" -}}
{{- else -}}
  {{- $made := genSignedCert .cn .ips .names $days $root.ca -}}
  {{- $cert = $made.Cert | b64enc -}}
  {{- $key = $made.Key | b64enc -}}
{{- end -}}
apiVersion: v1
kind: Secret
metadata:
  name: {{ .secret }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "weft.labels" $root | nindent 4 }}
  annotations:
    weft.io/made-from: {{ $inputs }}
    weft.io/renew-after: {{ $renew | quote }}
type: kubernetes.io/tls
data:
  ca.crt: {{ $root.caBundle | b64enc }}
  tls.crt: {{ $cert }}
  tls.key: {{ $key }}
{{- end }}
