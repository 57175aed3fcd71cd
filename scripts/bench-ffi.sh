#!/usr/bin/env bash
# Runs one language's program of the bench `ffi` and prints its JSON object on stdout; everything else goes to stderr.
# usage: bench-ffi.sh kotlin|swift|python ORIGIN_URL DATA_DIR
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
[ $# -eq 3 ] || die "usage: bench-ffi.sh kotlin|swift|python ORIGIN_URL DATA_DIR"
program=$root_dir/scripts/bench-$1.sh
[ -x "$program" ] || die "there is no bench for '$1'"
UNSPOOL_BENCH_ORIGIN=$2 exec "$program" "$3"
