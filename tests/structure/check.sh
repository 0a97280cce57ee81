#!/bin/bash
# usage: check.sh STRUCTURE [ROOT]
#
# Compares what each folder includes with what its CMake target links, and the links with the one-way rule
#   apps -> features -> {kube, kvstore, datapath, netlink} -> model -> state -> async -> base.
# Then it looks for what two files of a library define under one name in their anonymous namespaces (unity.awk), and for
# threads that are started where ThreadSanitizer does not look (threads.awk).
# STRUCTURE is build/<preset>/structure.txt, written by cmake/WeftSuites.cmake.
set -euo pipefail
structure=$1
here=$(cd "$(dirname "$0")" && pwd)
root=${2:-$(cd "$(dirname "$0")/../.." && pwd)}
cd "$root"
failed=0
# sources EXTENSION...: the tree's files that end so
sources() {
  local extension names=()
  for extension in "$@"; do names+=(-o -name "*.$extension"); done
  find . \( -path ./build -o -path ./.git -o -path ./.cache \) -prune -o \( "${names[@]:1}" \) -print | sed 's,^\./,,' | sort
}
[ -s "$structure" ] || { echo "$structure is empty or missing: configure the build first (./dev build)"; exit 2; }
{
  cat "$structure"
  echo "--"
  # FILE:LINE:#include "path" -> FILE LINE path
  sources h cpp cc |
    xargs grep -nE '^[[:space:]]*#[[:space:]]*include[[:space:]]+"' /dev/null |
    sed -E 's/^([^:]+):([0-9]+):[^"]*"([^"]+)".*/\1\t\2\t\3/'
} | awk -F '\t' -f "$here/check.awk" || failed=1
{
  cat "$structure"
  echo "--"
  sources cpp |
    xargs awk '{ print FILENAME "\t" FNR "\t" $0 }'
} | awk -f "$here/unity.awk" || failed=1
{
  cat "$structure"
  echo "--"
  sources h cpp |
    xargs awk '/std::j?thread[ ({;]|thread_pool / { print FILENAME "\t" FNR "\t" $0 }'
} | awk -F '\t' -f "$here/threads.awk" || failed=1
exit "$failed"
