#!/usr/bin/env bash
# Runs the legs of the test suite, one a language, and ends with one line of counts for each.
# usage: test.sh [leg...]      (default: every leg)
# A leg whose toolchain cannot be had prints `SKIPPED <leg>: <why>`; with CI=true that is a failure.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/leg-python.sh
. "$(dirname "$0")/leg-python.sh"
cd "$root_dir"
mkdir -p "$reports_dir"

all_legs=(rust python)
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

# Passing tests' own words go to the log in full; the screen keeps the verdicts and what could not be tested.
quiet_successes() {
    sed -u '/^successes:$/,/^\(failures:$\|test result:\)/{/^failures:$\|^test result:\|NO DATA\|SKIPPED /!d}'
}

leg_rust() {
    local log=$reports_dir/test-rust.log begun=$SECONDS code=0 line
    local passed failed ignored no_data skipped died
    if ! use_rust; then
        skip_leg rust "no Rust $(rust_floor) or newer on this machine"
        return
    fi
    ran=$((ran + 1))
    cargo test --workspace --no-fail-fast "${cargo_flags[@]}" -- --show-output 2>&1 |
        tee "$log" | quiet_successes || code=$?
    read -r passed failed ignored no_data skipped died < <("$root_dir/scripts/count-tests.sh" "$log")
    line="TESTS rust: $passed passed, $failed failed, $ignored ignored, NO DATA $no_data"
    if [ "$skipped" -gt 0 ]; then line+=", SKIPPED $skipped"; fi
    line+=" · $((SECONDS - begun)) s"
    if [ "$failed" -gt 0 ]; then
        code=1
    elif [ "$died" -gt 0 ]; then
        line+=" · $died test programs DIED without a result, see $log"
        code=1
    elif [ "$code" -ne 0 ]; then
        line+=" · cargo FAILED ($code), see $log"
    elif [ "$passed" -eq 0 ]; then
        line+=" · nothing was tested"
        code=1
    elif [ "$skipped" -gt 0 ] && in_ci; then
        line+=" · a skip is a failure in CI"
        code=1
    fi
    closing+=("$line")
    [ "$code" -eq 0 ] || status=1
}

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
