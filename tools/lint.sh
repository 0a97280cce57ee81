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
  # clang-tidy reads generated headers, and the structure test what CMake links; nothing else need be built.
  configure_preset dev
  local generated
  mapfile -t generated < <(ninja -C build/dev -t targets all | sed -n 's/^\(gen\/[^:]*\.h\): CUSTOM_COMMAND$/\1/p')
  build_preset dev "${generated[@]}"
  for part in lint_format lint_shell lint_structure ${quick:-lint_tidy}; do
    [ "$part" = 1 ] && continue
    say "$part"
    ALL=$all $part || bad=$((bad + 1))
  done
  [ $bad = 0 ] || die "lint found something in $bad of its parts, see above"
  say "lint is clean"
}

# Tracked files, and new ones that git would take.
our_files() { git ls-files --cached --others --exclude-standard -- "$@" | while read -r f; do [ -f "$f" ] && echo "$f"; done; }
cpp_files() { our_files '*.h' '*.cpp' '*.c' '*.cc' | grep -v '/vmlinux'; }

lint_format() {
  cpp_files | xargs -r clang-format-19 --dry-run -Werror 2>&1 | sed -n 's/: error: code should be clang-formatted.*//p' | cut -d: -f1 | sort | uniq -c |
    awk '{ print $2 ": " $1 " lines are not formatted: run ./dev format"; n++ } END { exit n > 0 }'
}

lint_shell() {
  local bad=0 f
  while read -r f; do
    bash -n "$f" || { echo "$f: shell syntax, see above"; bad=1; }
  done < <(our_files | while read -r f; do head -c 64 "$f" | head -1 | grep -qaE '^#!.*\b(ba)?sh\b' && echo "$f"; [[ $f == *.sh ]] && echo "$f"; done | sort -u)
  return $bad
}

lint_structure() { bash tests/structure/check.sh build/dev/structure.txt; }

# One clang-tidy run a source file of the product; --all adds the lab and the benchmarks. Tests are left to the
# compiler's warnings, for time's sake. A file whose text, headers and checks are those of an earlier clean run is
# not looked at again, except with --all.
lint_tidy() {
  local dir=build/lint cache=.cache/tidy todo folders='src|apps'
  [ -n "$ALL" ] && folders='src|apps|lab|bench'
  mkdir -p $dir $cache
  local pch=$PWD/$dir/pch.h.pch
  # The build's precompiled header is GCC's: clang gets its own, made with the same flags.
  jq --arg pch "$pch" --arg wanted "^$PWD/($folders)/.*[.]cpp$" '
    map(select(.file | test($wanted) and (test("/tests/") | not))
      | .command |= (gsub("-Winvalid-pch"; "") | gsub("-fpch-preprocess"; "") | sub("-include \\S+cmake_pch.hxx"; "-include-pch " + $pch)
      | sub(" -o "; " -Wno-unknown-warning-option -Wno-ignored-optimization-argument -o ")))' \
    build/dev/compile_commands.json > $dir/compile_commands.json
  local flags
  flags=$(jq -r '[.[] | select(.command | contains("-include-pch"))][0].command' $dir/compile_commands.json |
    grep -oE -- '-(D|I|O|std=|isystem )\S+' | tr '\n' ' ')
  eval "clang++-19 $flags -Wall -x c++-header cmake/pch.h -o $pch" || { echo "clang cannot read cmake/pch.h"; return 1; }
  sha256sum .clang-tidy cmake/pch.h cmake/pch_plain.h > $dir/config
  lint_inputs $dir > $dir/inputs
  : > $dir/todo
  local file key stamp
  while read -r file key; do
    stamp=$(cat <(echo "$file $key") $dir/config | sha256sum | cut -c1-32)
    [ -z "$ALL" ] && [ -e "$cache/$stamp" ] && continue
    echo "$file $PWD/$cache/$stamp" >> $dir/todo
  done < $dir/inputs
  todo=$(wc -l < $dir/todo)
  echo "$todo of $(wc -l < $dir/inputs) files to look at"
  [ "$todo" = 0 ] && return 0
  xargs -a $dir/todo -r -P "$(nproc)" -L 1 bash tools/tidy_one.sh $dir
}

# "FILE KEY" of each file to look at, where KEY covers its text and every header of ours that it reads.
lint_inputs() {
  local files
  mapfile -t files < <(find src apps lab bench bpf build/dev/gen -name '*.h' -o -name '*.cpp' -o -name '*.c')
  { sha256sum "${files[@]}" | sed 's/^/H /'
    grep -oE '^[[:space:]]*#[[:space:]]*include[[:space:]]+"[^"]+' "${files[@]}" /dev/null | sed -E 's/^([^:]+):[^"]*"/I \1 /'
    jq -r '.[] | "F " + .file' "$1/compile_commands.json"
  } | awk -v root="$PWD/" '
    function place(from, path,    dir, i, n, at) {
      dir = from
      sub(/[^\/]*$/, "", dir)
      n = split(dir "|src/||build/dev/gen/", at, "|")
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
