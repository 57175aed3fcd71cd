#!/usr/bin/env bash
# Runs the legs of the test suite, one a language, and ends with one line of counts for each.
# usage: test.sh [leg...]      (default: every leg)
# A leg whose toolchain cannot be had prints `SKIPPED <leg>: <why>`; with CI=true that is a failure.
# Reports in JUnit's format go to reports/<leg>/ in the target directory, logs beside them.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
cd "$root_dir"
mkdir -p "$reports_dir"

all_legs=(rust kotlin swift python demo)
closing=()
ran=0
status=0

# Media for tests lies in a folder beside the checkout; without it those tests say NO DATA and pass.
if [ -z "${UNSPOOL_SHARED:-}" ] && [ -d "$root_dir/../shared" ]; then
    UNSPOOL_SHARED=$(cd "$root_dir/../shared" && pwd)
    export UNSPOOL_SHARED
fi

skip_leg() { # leg, why
    echo "SKIPPED $1: $2"
    closing+=("SKIPPED $1: $2")
    if in_ci; then status=1; fi
}

# Writes the closing line of a leg that ran, and remembers whether it failed.
close_leg() { # leg, second it began at, exit code, passed, failed, skipped, log, more words (optional)
    local leg=$1 begun=$2 code=$3 passed=$4 failed=$5 skipped=$6 log=$7 line
    line="TESTS $leg: $passed passed, $failed failed"
    if [ "$skipped" -gt 0 ]; then line+=", SKIPPED $skipped"; fi
    line+="${8:-} · $((SECONDS - begun)) s"
    if [ "$failed" -gt 0 ]; then
        code=1
    elif [ "$code" -ne 0 ]; then
        line+=" · the leg FAILED ($code), see $log"
    elif [ "$passed" -eq 0 ]; then
        line+=" · nothing was tested"
        code=1
    elif [ "$skipped" -gt 0 ] && in_ci; then
        line+=" · a skip is a failure in CI"
        code=1
    fi
    ran=$((ran + 1))
    closing+=("$line")
    [ "$code" -eq 0 ] || status=1
}

# What every language but Rust tests with: the library with its faults, the bindings, and the reference server.
# Built once; its words go to a log. Prints the end of it and fails when something does not build.
foreign_parts() { # log
    [ -z "${foreign_built:-}" ] || return 0
    say "the library, its bindings, the reference server and the demo"
    if "$root_dir/scripts/bindings.sh" --faults >"$1" 2>&1 &&
        cargo build -p unspool-e2e -p unspool-demo --bin origin-process --bin unspool-demo "${cargo_flags[@]}" >>"$1" 2>&1; then
        foreign_built=1
        export UNSPOOL_ORIGIN_PROGRAM=$target_dir/debug/origin-process
        export UNSPOOL_SCENARIO=$root_dir/tests/scenario.json
        export UNSPOOL_GUIDES=$target_dir/guides
    else
        tail -n 30 "$1" >&2
        return 1
    fi
}

for leg in "${all_legs[@]}"; do
    # shellcheck source=/dev/null
    . "$root_dir/scripts/leg-$leg.sh"
done

[ $# -gt 0 ] || set -- "${all_legs[@]}"
for leg in "$@"; do
    declare -F "leg_$leg" >/dev/null || die "no leg called '$leg'; there are: ${all_legs[*]}"
    "leg_$leg"
done

if [ "$ran" -eq 0 ]; then
    closing+=("TESTS none: every leg was skipped, so nothing is known")
    status=1
fi
printf '\n'
printf '%s\n' "${closing[@]}" | tee "$reports_dir/tests.txt"
exit "$status"
