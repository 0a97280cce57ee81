# Shared by the parts of ./dev: messages and small questions about the machine.

say() { printf '\033[1m==>\033[0m %s\n' "$*"; }
warn() { printf 'warning: %s\n' "$*" >&2; }
die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# Without a terminal (CI, a pipe) colours are noise.
if [ ! -t 1 ]; then
  say() { printf '==> %s\n' "$*"; }
fi
