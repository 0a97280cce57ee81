# ./dev fuzz [SECONDS]: every libFuzzer target, bounded, over the corpus kept beside it (fuzz/corpus/NAME).

fuzz_main() {
  local seconds=$1 passed=0 failed=0 program name
  [[ $seconds =~ ^[0-9]+$ ]] || die "./dev fuzz takes a number of seconds, not '$seconds'"
  if ! ls fuzz/*.cpp fuzz/*/*.cpp >/dev/null 2>&1; then
    say "no fuzz targets"
    return 0
  fi
  build_preset fuzz fuzzers
  for program in build/fuzz/bin/fuzz_*; do
    [ -x "$program" ] || continue
    name=$(basename "$program")
    name=${name#fuzz_}
    mkdir -p "build/fuzz/corpus/$name" "build/fuzz/findings"
    say "fuzzing $name for $seconds s"
    local seeds=()
    [ -d "fuzz/corpus/$name" ] && seeds=("fuzz/corpus/$name")
    if "$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=0 -verbosity=0 \
        -artifact_prefix="build/fuzz/findings/$name-" "build/fuzz/corpus/$name" "${seeds[@]}" </dev/null; then
      passed=$((passed + 1))
    else
      failed=$((failed + 1))
      echo "failed: fuzz_$name, its input is build/fuzz/findings/$name-*"
    fi
  done
  echo "$passed passed, $failed failed"
  [ "$failed" = 0 ] && [ "$passed" -gt 0 ]
}
