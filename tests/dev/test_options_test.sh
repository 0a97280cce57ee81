#!/bin/bash
# What `./dev test` runs by which options: everything by default, and the e2e suite on a kube-apiserver when one is named.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
printf '#!/bin/bash\n[ "$*" = --version ] && echo "Kubernetes v1.36.0"\n' > "$folder/kube-apiserver"
printf '#!/bin/bash\nexit 3\n' > "$folder/no-server"
chmod +x "$folder/kube-apiserver" "$folder/no-server"

# tests OPTIONS: what ./dev test would do, a line a suite with the API server that its labs get.
tests() (
  unset WEFT_E2E_KUBE_APISERVER
  . "$root/tools/common.sh"
  . "$root/tools/test.sh"
  setup() { :; }
  build_preset() { :; }
  run_suite() {
    PASSED=$((PASSED + 1))
    echo "$1 $2 ${3:-} ${WEFT_E2E_KUBE_APISERVER:-own}" | tr -s ' '
  }
  cd "$folder"
  test_main "$@"
) 2>&1

# expect EXIT OUTPUT OPTIONS: the lines that matter, joined by '; '.
expect() {
  local wanted=$1 lines=$2 got=0 out
  shift 2
  out=$(tests "$@") || got=$?
  out=$(awk '!/^==>/ {printf "%s%s", by, $0; by = "; "}' <<<"$out")
  if [ "$got" != "$wanted" ] || [ "$out" != "$lines" ]; then
    printf 'FAILED ./dev test %s: exit %s, wanted %s; output:\n%s\nwanted:\n%s\n' "$*" "$got" "$wanted" "$out" "$lines"
    exit 1
  fi
}

everything='dev unit own; dev script own; dev bpf own; dev integration own; dev interop own; dev e2e own'
everything+='; asan unit own; asan script own; tsan unit own; tsan script own; 10 passed, 0 failed'
expect 0 "$everything"
expect 0 'dev e2e mesh own; 1 passed, 0 failed' --suite e2e --filter mesh
on="on Kubernetes v1.36.0; 1 passed, 0 failed"
expect 0 "dev e2e $folder/kube-apiserver; $on" --kube-apiserver ./kube-apiserver
expect 0 "dev e2e mesh $folder/kube-apiserver; $on" --filter mesh --kube-apiserver "$folder/kube-apiserver" --suite e2e
expect 1 'error: --kube-apiserver is for suite e2e, whose labs can run one; not for suite unit' \
  --suite unit --kube-apiserver ./kube-apiserver
expect 1 'error: --kube-apiserver ./absent: no such program' --kube-apiserver ./absent
expect 1 "error: --kube-apiserver .: no such program" --kube-apiserver .
expect 1 'error: --kube-apiserver ./no-server: it does not answer --version' --kube-apiserver ./no-server
