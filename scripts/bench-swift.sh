#!/usr/bin/env bash
# Measures the hottest calls from Swift and prints one JSON object; everything else goes to stderr or a log.
# usage: UNSPOOL_BENCH_ORIGIN=http://... bench-swift.sh DATA_DIR
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
[ $# -gt 0 ] || die "bench-swift.sh needs a data directory"
mkdir -p "$1" "$reports_dir"
data=$(realpath "$1")

root=$("$root_dir/scripts/setup-swift.sh") || die "no Swift here: $root"
"$root_dir/scripts/bindings.sh" --ship --out "$target_dir/ffi-ship" >&2
log=$reports_dir/bench-swift.log
if ! "$root_dir/scripts/build-swift.sh" "$target_dir/ffi-ship" release --product bench >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    die "the Swift bench does not build, see $log"
fi
exec "$root_dir/scripts/in-swift.sh" --bind "$data" "$target_dir/swift/build/release/bench" "$data"
