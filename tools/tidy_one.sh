# usage: tidy_one.sh COMPILE_COMMANDS_DIR FILE STAMP. One file of lint_tidy; prints findings only.
if out=$(clang-tidy-19 -p "$1" --quiet "$2" 2>/dev/null); then
  touch "$3"
else
  # Without findings on standard output it could not be read at all; then standard error says why.
  [ -n "$out" ] || out=$(clang-tidy-19 -p "$1" --quiet "$2" 2>&1)
  printf '%s\n' "$out"
  exit 1
fi
