# ./dev test: every suite, and one line at the end that sums all GoogleTest cases of all of them.

SUITES=(unit script bpf integration interop e2e)
SANITIZED_SUITES=(unit script)
PASSED=0
FAILED=0
SKIPPED=0
FAILED_NAMES=()
FAILED_TEXTS=()  # what those cases said, as far as a program left it
SERVER=""

test_main() {
  local suite="" filter="" presets="dev asan tsan" kube_apiserver=""
  while [ $# -gt 0 ]; do
    case $1 in
      --suite) suite=${2:?--suite needs a name}; shift 2 ;;
      --filter) filter=${2:?--filter needs a regular expression}; shift 2 ;;
      --preset) presets=${2:?--preset needs a name}; shift 2 ;;
      --kube-apiserver) kube_apiserver=${2:?--kube-apiserver needs the path of one}; shift 2 ;;
      *) die "unknown option '$1' of ./dev test: --suite, --filter, --preset, --kube-apiserver" ;;
    esac
  done
  [ -n "$kube_apiserver" ] && use_kube_apiserver "$kube_apiserver" "${suite:=e2e}"
  if [ -n "$suite" ]; then
    [[ " ${SUITES[*]} " == *" $suite "* ]] || die "unknown suite '$suite': ${SUITES[*]}"
    [ "$presets" = "dev asan tsan" ] && presets=dev
  fi
  setup
  local preset one
  for preset in $presets; do
    local suites=("${SUITES[@]}") targets=()
    [ "$preset" = dev ] || suites=("${SANITIZED_SUITES[@]}")
    [ -n "$suite" ] && suites=("$suite")
    for one in "${suites[@]}"; do targets+=("suite_$one"); done
    # e2e runs the programs, so they are built with it; the other suites stand alone.
    [[ " ${suites[*]} " == *" e2e "* ]] && targets+=(programs)
    # A sanitizer build that does not compile is a failure among others, not the end of the run.
    if ! (build_preset "$preset" "${targets[@]}"); then
      FAILED=$((FAILED + 1))
      FAILED_NAMES+=("$preset: the build")
      continue
    fi
    for one in "${suites[@]}"; do run_suite "$preset" "$one" "$filter"; done
  done
  summary
}

# use_kube_apiserver PATH SUITE: the labs of the e2e suite run this one instead of their own.
use_kube_apiserver() {
  [ "$2" = e2e ] || die "--kube-apiserver is for suite e2e, whose labs can run one; not for suite $2"
  [ -x "$1" ] && [ ! -d "$1" ] || die "--kube-apiserver $1: no such program"
  WEFT_E2E_KUBE_APISERVER=$(realpath "$1")
  SERVER=$("$WEFT_E2E_KUBE_APISERVER" --version 2>/dev/null) || die "--kube-apiserver $1: it does not answer --version"
  export WEFT_E2E_KUBE_APISERVER
  say "the labs run the API server of $SERVER"
}

# run_suite PRESET SUITE FILTER
run_suite() {
  local preset=$1 suite=$2 filter=$3
  local results="$ROOT/build/$preset/results/$suite" jobs=1 run=()
  rm -rf "$results"
  mkdir -p "$results"
  # These are free of ports, namespaces and pins; interop's programs have a machine of their own each, and mostly wait.
  [[ $suite == unit || $suite == script ]] && jobs=$(nproc)
  [ "$suite" = interop ] && jobs=3
  # The sanitizers' shadow memory collides with addresses of a kernel that randomises over many bits.
  [ "$preset" != dev ] && setarch -R true 2>/dev/null && run=(setarch -R)
  say "suite $suite ($preset)"
  GTEST_OUTPUT="json:$results/" GTEST_BRIEF=1 \
    ASAN_OPTIONS="detect_stack_use_after_return=0:${ASAN_OPTIONS:-}" UBSAN_OPTIONS="print_stacktrace=1:${UBSAN_OPTIONS:-}" \
    TSAN_OPTIONS="halt_on_error=1:second_deadlock_stack=1:${TSAN_OPTIONS:-}" \
    PATH="$ROOT/build/$preset/bin:$PATH" \
    "${run[@]}" ctest --test-dir "build/$preset" -L "^$suite\$" ${filter:+-R "$filter"} -j "$jobs" \
    --output-on-failure --no-tests=ignore --output-junit "$results/ctest.xml" </dev/null || true
  count_suite "$preset" "$suite" "$results"
}

# Sums the cases of each program. A program that left no result file (it crashed, ran out of time, or is not
# a GoogleTest) counts as one case, and one that failed although none of its cases did counts as one more.
count_suite() {
  local preset=$1 suite=$2 results=$3 name status json tests failures skipped passed=0 failed=0
  [ -f "$results/ctest.xml" ] || { failed=1; FAILED_NAMES+=("$preset/$suite: ctest left no result"); }
  while read -r name status; do
    json=$results/$name.json
    tests=0 failures=0 skipped=0
    if [ -s "$json" ] && read -r tests failures skipped < <(jq -r '
        [.testsuites[]?.testsuite[]?] | [length, (map(select(.failures)) | length),
        (map(select(.result == "SKIPPED" or .status == "NOTRUN")) | length)] | @tsv' "$json" 2>/dev/null); then
      [ "$failures" -gt 0 ] && while IFS=$'\t' read -r case text; do
        FAILED_TEXTS[${#FAILED_NAMES[@]}]=$text
        FAILED_NAMES+=("$preset/$suite: $name $case")
      done < <(jq -r '.testsuites[].testsuite[] | select(.failures) |
        [.classname + "." + .name, ([.failures[].failure] | join("\n") | @base64)] | @tsv' "$json")
      if [ "$status" != run ] && [ "$failures" = 0 ]; then
        failures=1 tests=$((tests + 1))
        FAILED_NAMES+=("$preset/$suite: $name ended badly after its cases")
      fi
    elif [ "$status" = run ]; then
      tests=1
    else
      tests=1 failures=1
      FAILED_NAMES+=("$preset/$suite: $name")
    fi
    passed=$((passed + tests - failures - skipped)) failed=$((failed + failures)) SKIPPED=$((SKIPPED + skipped))
  done < <(sed -n 's/.*<testcase name="\([^"]*\)".* status="\([^"]*\)".*/\1 \2/p' "$results/ctest.xml" 2>/dev/null)
  say "suite $suite ($preset): $passed passed, $failed failed"
  PASSED=$((PASSED + passed)) FAILED=$((FAILED + failed))
}

summary() {
  local i
  [ "$SKIPPED" -gt 0 ] && echo "$SKIPPED skipped (each says why in its output)"
  # With the beginning of what each said: the output of a whole run is long, and some readers are shown its end only.
  for i in "${!FAILED_NAMES[@]}"; do
    echo "failed: ${FAILED_NAMES[i]}"
    base64 -d <<<"${FAILED_TEXTS[i]:-}" | cut -c1-300 | sed -n '1,20s/^/  /p'
  done
  if [ $((PASSED + FAILED)) = 0 ]; then
    FAILED=1
    echo "failed: no test ran"
  fi
  [ -n "$SERVER" ] && echo "on $SERVER"
  echo "$PASSED passed, $FAILED failed"
  [ "$FAILED" = 0 ]
}
