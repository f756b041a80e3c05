# shellcheck shell=bash
# What the scripts share: where things are, and how they speak. Sourced, never run.
CALDERA_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
CALDERA_CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/caldera
export CALDERA_ROOT CALDERA_CACHE

# One line a step, on stderr: stdout belongs to results.
step() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

# Ends the script with one line that says what failed and how to mend it.
fail() {
  printf '%s: error: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# The comment at the top of the calling script is its help.
print_help() { sed -n '2,/^[^#]/{/^#/!q;s/^# \{0,1\}//p;}' "$0"; }

# quietly LOG COMMAND...: keeps the output for a failure.
quietly() {
  local log=$1
  shift
  mkdir -p "$(dirname "$log")"
  if ! "$@" >"$log" 2>&1; then
    tail -n 40 "$log" >&2
    fail "'$*' failed; its whole output is in $log"
  fi
}

# Compilations are cached where ccache is there.
if [ -z "${CMAKE_CXX_COMPILER_LAUNCHER:-}" ] && command -v ccache >/dev/null; then
  export CMAKE_CXX_COMPILER_LAUNCHER=ccache
fi
