#!/bin/bash
# Starts etcd and weft-lab-apiserver on loopback for development, with an admin kubeconfig, until interrupted:
#   lab/apiserver/run-dev.sh [API_PORT [ETCD_PORT]]      (defaults 16443, 12379; DIR=… keeps the files there)
# prints the path of the kubeconfig; everything lies in one temporary folder, which is removed at the end.
set -eu
api=${1:-16443} etcd=${2:-12379}
root=$(cd "$(dirname "$0")/../.." && pwd)
bin=${BIN:-$root/build/dev/bin}
keep=${DIR:-}
dir=${DIR:-$(mktemp -d /tmp/weft-apiserver-XXXXXX)}
mkdir -p "$dir"
pids=()
cleanup() {
  [ ${#pids[@]} -eq 0 ] || kill "${pids[@]}" 2>/dev/null || true
  wait 2>/dev/null || true
  [ -n "$keep" ] || rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 0' INT TERM

"$bin/weft-lab-pki" --dir "$dir/pki" --ca lab-ca \
  --server "apiserver=kubernetes,kubernetes.default,kubernetes.default.svc,localhost,127.0.0.1,::1,10.96.0.1,fd00:96:1::1" \
  --client "admin=kubernetes-admin:system:masters" --signing-key sa \
  --kubeconfig "$dir/kubeconfig" --context dev --url "https://127.0.0.1:$api" --user admin

etcd --name dev --data-dir "$dir/etcd" --log-level error --auto-compaction-retention=5m --quota-backend-bytes=1073741824 \
  --listen-client-urls "http://127.0.0.1:$etcd" --advertise-client-urls "http://127.0.0.1:$etcd" \
  --listen-peer-urls "http://127.0.0.1:$((etcd + 1))" --initial-advertise-peer-urls "http://127.0.0.1:$((etcd + 1))" \
  --initial-cluster "dev=http://127.0.0.1:$((etcd + 1))" >"$dir/etcd.log" 2>&1 &
pids+=($!)
"$bin/weft-lab-apiserver" --etcd-servers "http://127.0.0.1:$etcd" --listen "127.0.0.1:$api" \
  --tls-cert-file "$dir/pki/apiserver.crt" --tls-private-key-file "$dir/pki/apiserver.key" --client-ca-file "$dir/pki/ca.crt" \
  --service-account-key-file "$dir/pki/sa.key" --service-cluster-ip-range 10.96.0.0/16,fd00:96:1::/108 ${APISERVER_FLAGS:-} \
  >"$dir/apiserver.log" 2>&1 &
pids+=($!)
for _ in $(seq 100); do
  curl -skf "https://127.0.0.1:$api/readyz" >/dev/null 2>&1 && break
  kill -0 "${pids[1]}" 2>/dev/null || { cat "$dir/apiserver.log"; exit 1; }
  sleep 0.1
done
echo "$dir/kubeconfig"
wait -n "${pids[@]}"
