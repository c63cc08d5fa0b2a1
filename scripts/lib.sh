# Shared by the set-up scripts (sourced): one voice for progress and one for failure.

# Progress goes to standard error: what a script prints on standard output is its result.
say() { echo "${0##*/}: $*" >&2; }

# die SENTENCE: what went wrong and its remedy, in one sentence.
die() {
  echo "${0##*/}: error: $*" >&2
  exit 1
}

# need PROGRAM REMEDY
need() { command -v "$1" >/dev/null || die "$1 is missing: $2"; }
