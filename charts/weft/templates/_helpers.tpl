{{- define "weft.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "weft.labels" -}}
app.kubernetes.io/part-of: weft
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- /* Host-network pods cannot use the ClusterIP of the API server before the agent runs. */}}
{{- define "weft.env" -}}
- name: K8S_NODE_NAME
  valueFrom:
    fieldRef:
      apiVersion: v1
      fieldPath: spec.nodeName
- name: K8S_NAMESPACE
  valueFrom:
    fieldRef:
      apiVersion: v1
      fieldPath: metadata.namespace
{{- with .Values.k8sServiceHost }}
- name: KUBERNETES_SERVICE_HOST
  value: {{ . | quote }}
{{- end }}
{{- with .Values.k8sServicePort }}
- name: KUBERNETES_SERVICE_PORT
  value: {{ . | quote }}
{{- end }}
{{- end }}

{{- /* Mesh clusters as a list of {name, ...}, whichever of the two forms the value has; disabled ones left out. */}}
{{- define "weft.meshClusters" -}}
{{- $out := list -}}
{{- $clusters := .Values.clustermesh.config.clusters -}}
{{- if kindIs "map" $clusters -}}
  {{- range $name, $c := $clusters -}}
    {{- $c = default dict $c -}}
    {{- if ne (toString (get $c "enabled")) "false" -}}
      {{- $out = append $out (merge (dict "name" $name) $c) -}}
    {{- end -}}
  {{- end -}}
{{- else -}}
  {{- range $c := default list $clusters -}}
    {{- if ne (toString (get $c "enabled")) "false" -}}
      {{- $out = append $out $c -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- dict "clusters" $out | toJson -}}
{{- end }}

{{- /* Where the mesh etcd listens, and where its own process reaches it. */}}
{{- define "weft.etcdPort" -}}
{{- if .Values.clustermesh.apiserver.hostNetwork -}}
{{ .Values.clustermesh.apiserver.service.nodePort | default 32379 | int }}
{{- else -}}
2379
{{- end -}}
{{- end }}

{{- /* Values of a release that is older than the value (helm upgrade --reuse-values) do not have it. */}}
{{- define "weft.meshStatusNamespace" -}}
{{- (.Values.clustermesh.statusNamespace | default dict).name | default "weft-mesh-status" -}}
{{- end }}

{{- define "weft.validate" -}}
{{- $name := toString .Values.cluster.name -}}
{{- $id := int64 .Values.cluster.id -}}
{{- $max := int64 .Values.clustermesh.maxConnectedClusters -}}
{{- if not (regexMatch "^([a-z0-9][-a-z0-9]*)?[a-z0-9]$" $name) -}}
  {{- fail (printf "cluster.name %q: use lower case letters, digits and '-', beginning and ending with a letter or digit" $name) -}}
{{- end -}}
{{- if gt (len $name) 32 -}}
  {{- fail (printf "cluster.name %q: %d characters are too many; use at most 32" $name (len $name)) -}}
{{- end -}}
{{- if not (has $max (list (int64 255) (int64 511))) -}}
  {{- fail (printf "clustermesh.maxConnectedClusters %d: use 255 or 511, the same in every cluster of the mesh" $max) -}}
{{- end -}}
{{- if or (lt $id (int64 0)) (gt $id $max) -}}
  {{- fail (printf "cluster.id %d: use a number from 1 to %d that no other cluster of the mesh has (0: no mesh)" $id $max) -}}
{{- end -}}
{{- if and (ne $id (int64 0)) (eq $name "default") -}}
  {{- fail (printf "cluster.name \"default\" with cluster.id %d: give the cluster a name of its own" $id) -}}
{{- end -}}
{{- if and .Values.clustermesh.useAPIServer (eq $id (int64 0)) -}}
  {{- fail "clustermesh.useAPIServer with cluster.id 0: set cluster.name and cluster.id, both unique in the mesh" -}}
{{- end -}}
{{- if not (has .Values.routingMode (list "native" "tunnel")) -}}
  {{- fail (printf "routingMode %q: use native or tunnel" .Values.routingMode) -}}
{{- end -}}
{{- $tunnel := default "vxlan" .Values.tunnelProtocol -}}
{{- if ne (toString $tunnel) "vxlan" -}}
  {{- fail (printf "tunnelProtocol %q: use vxlan" (toString $tunnel)) -}}
{{- end -}}
{{- $underlay := default "auto" .Values.underlayProtocol -}}
{{- if not (has $underlay (list "auto" "ipv4" "ipv6")) -}}
  {{- fail (printf "underlayProtocol %q: use auto, ipv4 or ipv6" (toString $underlay)) -}}
{{- end -}}
{{- with .Values.ipv4NativeRoutingCIDR -}}
  {{- $byte := "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])" -}}
  {{- if not (regexMatch (printf "^%s([.]%s){3}(/(3[0-2]|[12]?[0-9]))?$" $byte $byte) (toString .)) -}}
    {{- fail (printf "ipv4NativeRoutingCIDR %q: use an IPv4 prefix such as 10.0.0.0/8" (toString .)) -}}
  {{- end -}}
{{- end -}}
{{- with .Values.ipv6NativeRoutingCIDR -}}
  {{- $parts := splitList "/" (toString .) -}}
  {{- $address := first $parts -}}
  {{- $groups := "([0-9a-fA-F]{1,4}(:[0-9a-fA-F]{1,4})*)" -}}
  {{- $count := len (regexFindAll "[0-9a-fA-F]+" $address -1) -}}
  {{- $whole := and (regexMatch (printf "^%s$" $groups) $address) (eq $count 8) -}}
  {{- $short := and (regexMatch (printf "^%s?::%s?$" $groups $groups) $address) (lt $count 8) -}}
  {{- $length := regexMatch "^[^/]*(/(12[0-8]|1[01][0-9]|[1-9]?[0-9]))?$" (toString .) -}}
  {{- if not (and (or $whole $short) $length) -}}
    {{- fail (printf "ipv6NativeRoutingCIDR %q: use an IPv6 prefix such as fd00::/8" (toString .)) -}}
  {{- end -}}
{{- end -}}
{{- range regexFindAll "[^ \\t\\n]+" (toString (default "" .Values.labels)) -1 -}}
  {{- $expression := trimPrefix "!" . | regexFind ":.*|^[^:]*$" | trimPrefix ":" -}}
  {{- if not $expression -}}
    {{- fail (printf "labels: rule %q is empty: write [!][source:]expression" .) -}}
  {{- end -}}
  {{- /* Go's expressions are those of the agent, RE2; with the empty one beside it a good one matches nothing at all. */ -}}
  {{- if not (regexMatch (printf "(%s)|" $expression) "") -}}
    {{- fail (printf "labels: rule %q is not a regular expression; write [!][source:]expression, such as k8s:app or !k8s:build" .) -}}
  {{- end -}}
{{- end -}}
{{- if ne (toString .Values.identityAllocationMode) "crd" -}}
  {{- fail (printf "identityAllocationMode %q: use crd; identities are kept as CiliumIdentity objects" .Values.identityAllocationMode) -}}
{{- end -}}
{{- if not (has .Values.bgpControlPlane.routerIDAllocation.mode (list "default" "ip-pool")) -}}
  {{- fail (printf "bgpControlPlane.routerIDAllocation.mode %q: use default or ip-pool" .Values.bgpControlPlane.routerIDAllocation.mode) -}}
{{- end -}}
{{- if and (eq .Values.bgpControlPlane.routerIDAllocation.mode "ip-pool") (not .Values.bgpControlPlane.routerIDAllocation.ipPool) -}}
  {{- fail "bgpControlPlane.routerIDAllocation.ipPool is empty: mode ip-pool needs an IPv4 prefix such as 10.255.0.0/24" -}}
{{- end -}}
{{- if not (or .Values.ipv4.enabled .Values.ipv6.enabled) -}}
  {{- fail "ipv4.enabled and ipv6.enabled are both false: turn one of them on" -}}
{{- end -}}
{{- if not (has .Values.clustermesh.apiserver.tls.authMode (list "legacy" "migration" "cluster")) -}}
  {{- fail (printf "clustermesh.apiserver.tls.authMode %q: use legacy, migration or cluster" .Values.clustermesh.apiserver.tls.authMode) -}}
{{- end -}}
{{- with .Values.clustermesh.apiserver.etcd.image -}}
  {{- if and .repository (not .tag) (not (contains "@" .repository)) -}}
    {{- fail (printf "clustermesh.apiserver.etcd.image.repository %q without a tag: set clustermesh.apiserver.etcd.image.tag, such as v3.5.16, or write a digest" .repository) -}}
  {{- end -}}
{{- end -}}
{{- if eq (include "weft.meshStatusNamespace" .) .Release.Namespace -}}
  {{- fail (printf "clustermesh.statusNamespace.name %q is the namespace of the release: agents may write every ConfigMap there; give it a namespace of its own" .Release.Namespace) -}}
{{- end -}}
{{- if ne .Values.clustermesh.apiserver.tls.auto.method "helm" -}}
  {{- fail (printf "clustermesh.apiserver.tls.auto.method %q: this chart knows helm; with auto.enabled=false it takes the secrets as you made them" .Values.clustermesh.apiserver.tls.auto.method) -}}
{{- end -}}
{{- $readers := default list .Values.clustermesh.config.readers -}}
{{- if not (kindIs "slice" $readers) -}}
  {{- fail (printf "clustermesh.config.readers %v: use a list of names of clusters, such as {west}" $readers) -}}
{{- end -}}
{{- range $readers -}}
  {{- if not (regexMatch "^([a-z0-9][-a-z0-9]{0,30})?[a-z0-9]$" (toString .)) -}}
    {{- fail (printf "clustermesh.config.readers: %q is no cluster.name; name clusters that connect to this one" (toString .)) -}}
  {{- end -}}
{{- end -}}
{{- if .Values.clustermesh.config.enabled -}}
  {{- $seen := dict -}}
  {{- range (include "weft.meshClusters" . | fromJson).clusters -}}
    {{- if not .name -}}
      {{- fail "clustermesh.config.clusters: an entry without name; give it the remote's cluster.name" -}}
    {{- end -}}
    {{- if eq .name $name -}}
      {{- fail (printf "clustermesh.config.clusters: %q is this cluster's own name; leave it out" .name) -}}
    {{- end -}}
    {{- if hasKey $seen .name -}}
      {{- fail (printf "clustermesh.config.clusters: %q stands there twice; keep one" .name) -}}
    {{- end -}}
    {{- if not (or .ips .address) -}}
      {{- fail (printf "clustermesh.config.clusters: %q has neither ips nor address; say where its mesh store answers" .name) -}}
    {{- end -}}
    {{- $_ := set $seen .name true -}}
  {{- end -}}
{{- end -}}
{{- end }}

{{/* Seconds that an agent with BGP may take to stop: bgpControlPlane.stopGrace, such as 90s or 1m30s, and 13 for the last words. */}}
{{- define "weft.bgpStopSeconds" -}}
{{- $given := toString .Values.bgpControlPlane.stopGrace -}}
{{- $seconds := 13 -}}
{{- range $unit, $each := dict "h" 3600 "m" 60 "s" 1 -}}
  {{- $n := regexFind (printf "[0-9]+%s" $unit) $given | trimSuffix $unit -}}
  {{- if $n -}}{{- $seconds = add $seconds (mul (int $n) (int $each)) -}}{{- end -}}
{{- end -}}
{{- $seconds -}}
{{- end }}
