# ./dev bench [NAME]: the programs of bench/, built for release.

bench_main() {
  build_preset release benchmarks programs
  local found=0 program
  for program in build/release/bin/bench_*"${1:-}"*; do
    [ -x "$program" ] || continue
    found=1
    say "$(basename "$program")"
    PATH="$ROOT/build/release/bin:$PATH" "$program"
  done
  [ $found = 1 ] || die "no benchmark's name contains '${1:-}': $(cd build/release/bin && ls -d bench_* 2>/dev/null | tr '\n' ' ')"
}
