#!/bin/bash
# usage: fuzz/add_captures.sh SEEDS: of the files that weft-interop-seeds wrote to SEEDS/NAME, adds to fuzz/corpus/NAME those
# that reach code, or compare values, as the corpus does not yet. Wants the fuzz preset built.
set -euo pipefail
cd "$(dirname "$0")/.."
for dir in "$1"/*/; do
  name=$(basename "$dir")
  mkdir -p "fuzz/corpus/$name"
  "build/fuzz/bin/fuzz_$name" -merge=1 -use_value_profile=1 -verbosity=0 "fuzz/corpus/$name" "$dir" 2>/dev/null
  # libFuzzer names by SHA-1; the name shall say where it comes from.
  for file in "fuzz/corpus/$name"/*; do
    base=$(basename "$file")
    [[ $base =~ ^[0-9a-f]{40}$ ]] && mv "$file" "fuzz/corpus/$name/captured_${base:0:16}"
  done
  echo "$name: $(find "fuzz/corpus/$name" -name 'captured_*' | wc -l) of $(find "$dir" -type f | wc -l) captured inputs"
done
