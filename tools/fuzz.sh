# ./dev fuzz [SECONDS]: every libFuzzer target for that long, as many at once as there are processors, over the corpus
# kept beside it (fuzz/corpus/NAME). Builds the fuzzers and what they link, nothing else.

fuzz_main() {
  local seconds=$1 results=build/fuzz/results passed=0 failed=0 name
  [[ $seconds =~ ^[1-9][0-9]*$ ]] || die "./dev fuzz takes a number of seconds, not '$seconds'"
  build_preset fuzz fuzzers
  # Written by cmake/WeftSuites.cmake: bin/ may still hold targets that are no more.
  local targets=()
  mapfile -t targets < build/fuzz/fuzzers.txt
  [ ${#targets[@]} -gt 0 ] || die "fuzz/ has no targets: a folder there needs a CMakeLists.txt with weft_fuzzer(…)"
  say "fuzzing ${#targets[@]} targets, $seconds s each"
  rm -rf "$results"
  mkdir -p "$results" build/fuzz/findings
  printf '%s\n' "${targets[@]}" | xargs -r -P "$(nproc)" -I '{}' bash tools/fuzz_one.sh '{}' "$seconds" "$results" || true
  for name in "${targets[@]}"; do
    if [ -e "$results/$name.ok" ]; then
      passed=$((passed + 1))
    else
      failed=$((failed + 1))
    fi
  done
  echo "$passed passed, $failed failed"
  [ "$failed" = 0 ]
}
