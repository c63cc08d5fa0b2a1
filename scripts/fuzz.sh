#!/usr/bin/env bash
# Runs every fuzz target for FUZZ_SECONDS (default 180), two at a time, from the seeds that are checked
# in and what earlier runs on this machine have found. Prints how much was tried and covered; fails if
# a target crashed, and says where the input lies.
#
#   scripts/fuzz.sh [TARGET…]

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../fuzz"
source ../scripts/lib.sh

version=0.13.2
seconds=${FUZZ_SECONDS:-180}
host=x86_64-unknown-linux-gnu
programs=${CARGO_TARGET_DIR:-target}/$host/release
# The sanitizer and coverage are unstable features; the toolchain is the project's own.
export RUSTC_BOOTSTRAP=1 CARGO_INCREMENTAL=0 PATH=$PWD/../.tools/bin:$PATH

main() {
  if [[ $(cargo-fuzz --version 2>/dev/null) != "cargo-fuzz $version" ]]; then
    say "building cargo-fuzz $version into .tools (once)"
    cargo install --quiet --locked --root ../.tools --version "$version" cargo-fuzz ||
      die "cargo-fuzz did not build: see cargo's words above"
  fi
  local targets=("$@")
  [[ $# != 0 ]] || mapfile -t targets < <(cargo fuzz list)
  mkdir -p logs
  say "building ${#targets[@]} targets with AddressSanitizer (ten minutes at the first time)"
  cargo fuzz build -O --target "$host" >logs/build 2>&1 || { tail -n 30 logs/build >&2; die "the targets did not build"; }

  say "${#targets[@]} targets, $seconds s each"
  printf '%s\n' "${targets[@]}" | xargs -P 2 -I {} bash -c 'run {}' || true
  report "${targets[@]}"
}

run() {
  local dictionary=() longest=8192
  # A story has 64 steps of 8 bytes; what is longer is not looked at.
  [[ $1 != gate ]] || longest=512
  [[ ! -f dictionaries/$1.dict ]] || dictionary=(-dict="dictionaries/$1.dict")
  mkdir -p "corpus/$1" "artifacts/$1"
  "$programs/$1" "corpus/$1" "seeds/$1" -artifact_prefix="artifacts/$1/" \
    -max_total_time="$seconds" -max_len="$longest" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
    "${dictionary[@]}" >"logs/$1" 2>&1
}
export -f run
export seconds programs

report() {
  local crashed=0 found
  printf '%-18s %14s %10s %9s %9s %9s\n' target executions "a second" edges features corpus
  for target in "$@"; do
    awk -v target="$target" '
      /^#[0-9]+.*(cov|DONE)/ { for (n = 1; n < NF; n++) { if ($n == "cov:") cov = $(n + 1); if ($n == "ft:") ft = $(n + 1); if ($n == "corp:") corpus = $(n + 1) } }
      /number_of_executed_units/ { units = $2 }
      /average_exec_per_sec/ { speed = $2 }
      END { printf "%-18s %14d %10d %9d %9d %9s\n", target, units, speed, cov, ft, corpus }' "logs/$target"
    if compgen -G "artifacts/$target/*" >/dev/null; then
      for found in artifacts/"$target"/*; do say "error: $target: fuzz/$found (see fuzz/logs/$target)"; done
      crashed=1
    fi
  done
  return "$crashed"
}

main "$@"
