# ./dev lint: formatting, shell syntax, folder structure, clang-tidy. ./dev format mends the first.

lint_main() {
  local all= quick= bad=0 part
  while [ $# -gt 0 ]; do
    case $1 in
      --all) all=1 ;;
      --quick) quick=1 ;;
      *) die "unknown option '$1' of ./dev lint: --all, --quick" ;;
    esac
    shift
  done
  command -v clang-format-19 >/dev/null || die "clang-format-19 is not installed: run ./dev setup first"
  lint_configure
  for part in lint_format lint_shell lint_structure ${quick:-lint_tidy}; do
    [ "$part" = 1 ] && continue
    say "$part"
    ALL=$all $part || bad=$((bad + 1))
  done
  [ $bad = 0 ] || die "lint found something in $bad of its parts, see above"
  say "lint is clean"
}

# clang-tidy reads generated headers, and the structure test what CMake links; nothing else need be built. In a folder of
# its own: clang-tidy is given a library's files six at a time, as it reads the same headers for each.
lint_configure() {
  local dir=build/lint generated
  if [ ! -f $dir/build.ninja ]; then
    say "configuring $dir"
    mkdir -p $dir
    cmake --preset dev -B $dir -DWEFT_UNITY=ON >$dir/configure.log 2>&1 || { tail -40 $dir/configure.log >&2; die "cmake --preset dev failed, the whole log is in $dir/configure.log"; }
  fi
  mapfile -t generated < <(ninja -C $dir -t targets all | sed -n 's/^\(gen\/[^:]*\.h\): CUSTOM_COMMAND$/\1/p')
  say "generating headers"
  ninja -C $dir "${generated[@]}" >$dir/generate.log 2>&1 || { tail -40 $dir/generate.log >&2; die "generating headers failed, the whole log is in $dir/generate.log"; }
}

# Tracked files, and new ones that git would take.
our_files() { git ls-files --cached --others --exclude-standard -- "$@" | while read -r f; do [ ! -f "$f" ] || echo "$f"; done; }
cpp_files() { our_files '*.h' '*.cpp' '*.c' '*.cc' | grep -v '/vmlinux'; }

lint_format() {
  cpp_files | xargs -r clang-format-19 --dry-run -Werror 2>&1 | sed -n 's/: error: code should be clang-formatted.*//p' | cut -d: -f1 | sort | uniq -c |
    awk '{ print $2 ": " $1 " lines are not formatted: run ./dev format"; n++ } END { exit n > 0 }'
}

lint_shell() {
  local bad=0 f
  while read -r f; do
    bash -n "$f" || { echo "$f: shell syntax, see above"; bad=1; }
  done < <({ our_files '*.sh'; our_files | xargs -r -d '\n' awk 'FNR == 1 && /^#!.*(\/| )(ba)?sh( |$)/ { print FILENAME } { nextfile }'; } | sort -u)
  return $bad
}

lint_structure() { bash tests/structure/check.sh build/lint/structure.txt; }

# One clang-tidy run for six files of a library of the product, or for a program's; --all adds the lab and the benchmarks.
# Tests are left to the compiler's warnings, for time's sake. Files whose text, headers and checks are those of an earlier
# clean run are not looked at again, except with --all.
lint_tidy() {
  local dir=build/lint cache=.cache/tidy folders='src|apps'
  [ -n "$ALL" ] && folders='src|apps|lab|bench'
  mkdir -p $dir/tidy $cache
  local pch=$PWD/$dir/tidy/pch.h.pch
  # The build's precompiled header is GCC's: clang gets its own, made with the same flags.
  jq --arg pch "$pch" --arg wanted "^($folders)/" '
    map(select(.file | contains("/gen/") | not) | select(.command | capture(" -o (?<output>[^ ]+)").output | test($wanted) and (test("_test[.]dir/|/weft_pch") | not))
      | .command |= (gsub("-Winvalid-pch"; "") | gsub("-fpch-preprocess"; "") | sub("-include \\S+cmake_pch.hxx"; "-include-pch " + $pch)
      | sub(" -o "; " -Wno-unknown-warning-option -Wno-ignored-optimization-argument -o ")))' \
    $dir/compile_commands.json > $dir/tidy/compile_commands.json
  local flags
  flags=$(jq -r '[.[] | select(.command | contains("-include-pch"))][0].command' $dir/tidy/compile_commands.json |
    grep -oE -- '-(D|I|O|std=|isystem )\S+' | tr '\n' ' ')
  eval "clang++-19 $flags -Wall -x c++-header cmake/pch.h -o $pch" || { echo "clang cannot read cmake/pch.h"; return 1; }
  sha256sum .clang-tidy cmake/pch.h cmake/pch_plain.h > $dir/tidy/config
  lint_inputs $dir > $dir/tidy/inputs
  : > $dir/tidy/todo
  local file key stamp
  while read -r file key; do
    stamp=$(cat <(echo "$file $key") $dir/tidy/config | sha256sum | cut -c1-32)
    [ -z "$ALL" ] && [ -e "$cache/$stamp" ] && continue
    echo "$file $PWD/$cache/$stamp" >> $dir/tidy/todo
  done < $dir/tidy/inputs
  local todo all
  todo=$(wc -l < $dir/tidy/todo) all=$(wc -l < $dir/tidy/inputs)
  [ "$all" -gt 0 ] || { echo "nothing to look at: $dir/compile_commands.json names no file of ${folders//|/, }"; return 1; }
  echo "$todo of $all batches of files to look at"
  [ "$todo" = 0 ] && return 0
  xargs -a $dir/tidy/todo -r -P "$(nproc)" -L 1 bash tools/tidy_one.sh $dir/tidy
}

# "FILE KEY" of each file to look at, where KEY covers its text and every file of ours that it includes.
lint_inputs() {
  local files
  mapfile -t files < <(find src apps lab bench bpf $1/gen -name '*.h' -o -name '*.cpp' -o -name '*.c'
    find $1 -name 'unity_*.cxx')
  { sha256sum "${files[@]}" | sed 's/^/H /'
    grep -oE '^[[:space:]]*#[[:space:]]*include[[:space:]]+"[^"]+' "${files[@]}" /dev/null | sed -E 's/^([^:]+):[^"]*"/I \1 /'
    jq -r '.[] | "F " + .file' "$1/tidy/compile_commands.json"
  } | awk -v root="$PWD/" -v gen="$1/gen/" '
    function place(from, path,    dir, i, n, at) {
      if (index(path, root) == 1) path = substr(path, length(root) + 1)
      dir = from
      sub(/[^\/]*$/, "", dir)
      n = split(dir "|src/||" gen, at, "|")
      for (i = 1; i <= n; i++) if ((at[i] path) in hash) return at[i] path
      return ""
    }
    function closure(file,    i, n, parts, to, key) {
      seen[file] = run
      key = hash[file]
      n = split(includes[file], parts, " ")
      for (i = 1; i <= n; i++) {
        to = place(file, parts[i])
        if (to != "" && seen[to] != run) key = key closure(to)
      }
      return key
    }
    $1 == "H" { hash[$3] = $2; next }
    $1 == "I" { includes[$2] = includes[$2] " " $3; next }
    { run++; file = $2; sub("^" root, "", file); print $2, closure(file) }' | sort -u
}
