# ./dev build: configure once, then ninja.

configure_preset() {
  local preset=$1 dir=build/$1
  command -v ninja >/dev/null || die "ninja is not installed: run ./dev setup first"
  case $preset in
    dev|release|asan|tsan|fuzz) ;;
    *) die "unknown preset '$preset': dev, release, asan, tsan or fuzz" ;;
  esac
  if [ ! -f "$dir/build.ninja" ]; then
    # A build that nobody edits compiles six files at a time (WEFT_UNITY).
    local once=()
    [ "${CI:-}" = true ] && once=(-DWEFT_UNITY=ON)
    say "configuring $dir"
    mkdir -p "$dir"
    cmake --preset "$preset" "${once[@]}" >"$dir/configure.log" 2>&1 || { tail -40 "$dir/configure.log" >&2; die "cmake --preset $preset failed, the whole log is in $dir/configure.log"; }
  fi
}

# build_preset PRESET [TARGET...]
build_preset() {
  local preset=$1 dir=build/$1
  shift
  configure_preset "$preset"
  say "building $preset${*:+: $*}"
  local started=$SECONDS
  if [ -t 1 ]; then
    ninja -C "$dir" "$@" || die "the $preset build failed, see above"
  else
    NINJA_STATUS='[%f/%t %es] ' ninja -C "$dir" "$@" 2>&1 | quiet_progress || die "the $preset build failed, see above"
  fi
  say "built $preset in $((SECONDS - started)) s"
}

# Of ninja's status lines, one in every 25 and the last; everything else (warnings, errors) untouched.
quiet_progress() {
  awk '/^\[[0-9]+\/[0-9]+ [0-9.]+s\] / { split(substr($1, 2), n, "/"); if (n[1] % 25 == 0 || n[1] == n[2]) { print; fflush() } next }
       /^ninja: Entering directory/ { next }
       { print; fflush() }'
}
