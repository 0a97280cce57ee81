#!/bin/bash
# usage: check.sh BUILD
#
# Installs BUILD (build/<preset>, programs built) into a temporary prefix and asks: do the programs run there, does `weft
# install` find the chart there, and does the image recipe fit what is there? Everything is on loopback.
set -euo pipefail
build=$(cd "$1" && pwd)
here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
root=$(dirname "$here")
work=$(mktemp -d /tmp/weft-packaging-XXXXXX)
server=
finish() {
  [ -z "$server" ] || { kill "$server" && wait "$server"; } 2>/dev/null || true
  rm -rf "$work"
}
trap finish EXIT
bad=0
wrong() { echo "✗ $*"; bad=$((bad + 1)); }
right() { echo "✓ $*"; }

stage=$work/stage/usr
cmake --install "$build" --prefix "$stage" >"$work/install.log" || { cat "$work/install.log"; exit 1; }
programs="weft weft-agent weft-operator weft-clustermesh weft-bfd weft-cni"

# ---- the tree runs
for p in $programs; do
  [ -x "$stage/bin/$p" ] || wrong "bin/$p: was not installed"
done
version=$("$stage/bin/weft" version) && [[ $version == "weft "* ]] && right "$version runs from $stage" || wrong "weft version: $version"
said=$("$stage/bin/weft-agent" --version) && [ "${said#weft-agent }" = "${version#weft }" ] && right "$said" ||
  wrong "weft-agent --version: '$said', weft is '$version'"
said=$(CNI_COMMAND=VERSION "$stage/bin/weft-cni" </dev/null) && [[ $said == *supportedVersions* ]] && right "weft-cni speaks CNI" ||
  wrong "weft-cni VERSION: $said"

# ---- weft install finds the chart beside itself: rendered by Helm against a real API server, from a folder that is not ours
helm=$root/.cache/tools/bin/helm
[ -x "$helm" ] || helm=$(command -v helm || true)
if [ -z "$helm" ] || ! command -v etcd >/dev/null; then
  echo "- skipped: weft install --dry-run needs helm and etcd"
else
  free_port() {  # two in a row
    local p
    for p in $(shuf -i 20000-30000 -n 50); do
      ss -Hltn "( sport = :$p or sport = :$((p + 1)) )" | grep -q . || { echo "$p"; return; }
    done
  }
  api=$(free_port) etcd=$(free_port)
  BIN=$build/bin DIR=$work/server bash "$root/lab/apiserver/run-dev.sh" "$api" "$etcd" >"$work/server.log" 2>&1 &
  server=$!
  for _ in $(seq 600); do
    grep -q kubeconfig "$work/server.log" && break
    kill -0 "$server" 2>/dev/null || { cat "$work/server.log"; exit 1; }
    sleep 0.1
  done
  run() { (cd / && env -i PATH=/usr/bin:/bin HOME="$work" WEFT_HELM="$helm" "$stage/bin/weft" "$@" --kubeconfig "$work/server/kubeconfig"); }
  if run install --dry-run --set cluster.name=east --set cluster.id=1 >"$work/rendered" 2>"$work/err" &&
    grep -q 'name: weft-agent$' "$work/rendered"; then
    right "weft install --dry-run renders the chart of the prefix"
  else
    wrong "weft install --dry-run: $(cat "$work/err")"
  fi
  mv "$stage/share/weft/chart" "$work/chart"
  if run install --dry-run >/dev/null 2>"$work/err"; then
    wrong "weft install found a chart although the prefix has none: $(cat "$work/err")"
  else
    grep -q 'share/weft/chart' "$work/err" && right "without the chart it says where it looked" || wrong "without the chart: $(cat "$work/err")"
  fi
  mv "$work/chart" "$stage/share/weft/chart"
fi

# ---- the recipe copies what there is: from the context (the root of the repository), from the tree, from the build stage
ignored() { grep -v '^#' "$here/Dockerfile.dockerignore" | grep -qxF "/${1%%/*}"; }
while read -r from paths; do
  read -ra paths <<<"$paths"
  unset 'paths[-1]'  # where to
  for p in "${paths[@]}"; do
    case $from in
      context) [ "$p" = . ] || { [ -e "$root/$p" ] && ! ignored "$p"; } || wrong "Dockerfile: COPY $p: not in the repository, or ignored" ;;
      build)
        case $p in
          /stage/*) [ -e "$work$p" ] || wrong "Dockerfile: COPY $p: cmake --install makes no such path" ;;
          /src/.cache/tools/bin/*) grep -q "/${p##*/}\b.*\.cache/tools/bin/" "$root/tools/setup.sh" || wrong "Dockerfile: COPY $p: ./dev setup makes no such file" ;;
          *) wrong "Dockerfile: COPY $p: nothing of the build stage is known there" ;;
        esac ;;
    esac
  done
done < <(sed -nE 's/^COPY --from=build (.*)/build \1/p; t; s/^COPY (.*)/context \1/p' "$here/Dockerfile")
copied=$(grep -c '^COPY' "$here/Dockerfile")
[ "$copied" -ge 4 ] && right "Dockerfile: paths of $copied COPY lines looked at" || wrong "Dockerfile: only $copied COPY lines were understood"
for target in $programs; do
  grep -qE "^RUN \./dev build release .*\b$target\b" "$here/Dockerfile" || wrong "Dockerfile: does not build $target"
done

# ---- every command of the chart is a program of the image
runtime=$(sed 's/#.*//' "$here/runtime-packages.txt" | tr -s ' \n' '\n' | sed '/^$/d' | sort -u)
commands=$(awk '/^ *command:$/ { getline; print $2 }' "$root"/charts/weft/templates/*.yaml | sort -u)
[ -n "$commands" ] || wrong "the chart: no commands were found in its templates"
for c in $commands; do
  [ -x "$stage/bin/$c" ] && continue
  [ "$c" = etcd ] && grep -qx etcd-server <<<"$runtime" && continue
  wrong "the chart runs $c, which the image does not have"
done
right "commands of the chart: $(tr '\n' ' ' <<<"$commands")"

# ---- and every shared library comes with a package that is named
for p in $programs; do objdump -p "$stage/bin/$p" | awk '/NEEDED/ { print $2 }'; done | sort -u >"$work/needed"
while read -r library; do
  packages=$(dpkg -S "*/$library" 2>/dev/null | cut -d: -f1 | sort -u)  # several where there are other architectures' too
  [ -n "$packages" ] || { wrong "$library: belongs to no Debian package"; continue; }
  grep -qxF "$packages" <<<"$runtime" || wrong "$library: of its packages ($(echo $packages)) none is in runtime-packages.txt"
done <"$work/needed"
right "shared libraries: $(wc -l <"$work/needed") looked at"

[ "$bad" = 0 ] || { echo "$bad things are wrong"; exit 1; }
