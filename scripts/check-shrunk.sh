#!/usr/bin/env bash
# Tries the rules for shrinkers (bindings/kotlin/consumer-rules.pro): an app that ProGuard shrinks and renames with them works, and
# without them it does not. Needs Maven and, the first time, its central repository.
# usage: check-shrunk.sh
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
cd "$root_dir"
use_rust || die "no Rust $(rust_floor) or newer: run make setup"
scripts/setup-kotlin.sh

log=$reports_dir/shrunk.log
mkdir -p "$reports_dir"
say "the library, its bindings and the reference server"
{ scripts/bindings.sh --faults && cargo build -p unspool-e2e --bin origin-process "${cargo_flags[@]}"; } >"$log" 2>&1 ||
    { tail -n 20 "$log" >&2; die "the library does not build"; }
say "an app is shrunk with the rules and without"
if ! (cd bindings/kotlin && UNSPOOL_ORIGIN_PROGRAM=$target_dir/debug/origin-process mvn -B -P shrunk "-Dunspool.target=$target_dir" \
    -Dtest=ShrunkCheck -Dsurefire.failIfNoSpecifiedTests=true "-Dunspool.reports=$reports_dir/shrunk" test) >"$log" 2>&1; then
    grep -E '^\[ERROR\]|^e: ' "$log" | head -n 40 >&2
    die "the rules do not hold, see $log"
fi
say "SHRUNK ok: $(grep -oE 'Tests run: [0-9]+' "$log" | tail -n 1)"
