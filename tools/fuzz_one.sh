#!/bin/bash
# usage: fuzz_one.sh TARGET SECONDS RESULTS: runs build/fuzz/bin/TARGET; leaves RESULTS/TARGET.ok when nothing was found,
# and prints the end of its output otherwise.
set -uo pipefail
target=$1 seconds=$2 results=$3
name=${target#fuzz_}
log=$results/$target.log
corpus=build/fuzz/corpus/$name
mkdir -p "$corpus"
seeds=()
[ -d "fuzz/corpus/$name" ] && seeds=("fuzz/corpus/$name")
"build/fuzz/bin/$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 -verbosity=0 \
  -artifact_prefix="build/fuzz/findings/$name-" "$corpus" "${seeds[@]}" >"$log" 2>&1 </dev/null
code=$?
inputs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
if [ "$code" = 0 ] && [ "${inputs:-0}" -gt 0 ]; then
  touch "$results/$target.ok"
  echo "$target: $inputs inputs, nothing found"
else
  tail -60 "$log"
  echo "failed: $target ended with $code after ${inputs:-no} inputs; what it found is build/fuzz/findings/$name-*, the whole output $log"
fi
