#!/usr/bin/env bash
# Measures the hottest calls from Kotlin and prints one JSON object; everything else goes to stderr or a log.
# usage: UNSPOOL_BENCH_ORIGIN=http://... bench-kotlin.sh DATA_DIR [--plain]
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
[ $# -gt 0 ] || die "bench-kotlin.sh needs a data directory"

"$root_dir/scripts/setup-kotlin.sh" >&2
"$root_dir/scripts/bindings.sh" --ship --out "$target_dir/ffi-ship" >&2
log=$reports_dir/bench-kotlin.log
mkdir -p "$reports_dir"
if ! (cd "$root_dir/bindings/kotlin" && mvn -P bench "-Dunspool.target=$target_dir" test-compile) >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    die "the Kotlin bench does not build, see $log"
fi
build=$target_dir/kotlin-bench
# As an app that was just started: the default heap and compilers.
exec java "-Djna.library.path=$target_dir/ffi-ship/ship" --enable-native-access=ALL-UNNAMED \
    -cp "$build/classes:$build/test-classes:$build/lib/*" dev.unspool.bench.BenchKt "$@"
