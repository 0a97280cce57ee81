#!/bin/bash
# usage: check.sh STRUCTURE [ROOT]
#
# Compares what each folder includes with what its CMake target links, and the links with the one-way rule
#   apps -> features -> {kube, kvstore, datapath, netlink} -> model -> state -> async -> base.
# STRUCTURE is build/<preset>/structure.txt, written by cmake/WeftSuites.cmake.
set -euo pipefail
structure=$1
root=${2:-$(cd "$(dirname "$0")/../.." && pwd)}
cd "$root"
[ -s "$structure" ] || { echo "$structure is empty or missing: configure the build first (./dev build)"; exit 2; }
{
  cat "$structure"
  echo "--"
  # FILE:LINE:#include "path" -> FILE LINE path
  find . \( -path ./build -o -path ./.git -o -path ./.cache \) -prune -o \( -name '*.h' -o -name '*.cpp' -o -name '*.cc' \) -print | sed 's,^\./,,' | sort |
    xargs grep -nE '^[[:space:]]*#[[:space:]]*include[[:space:]]+"' /dev/null |
    sed -E 's/^([^:]+):([0-9]+):[^"]*"([^"]+)".*/\1\t\2\t\3/'
} | awk -F '\t' -f "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/check.awk"
