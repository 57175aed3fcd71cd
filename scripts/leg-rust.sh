# shellcheck shell=bash
# The Rust leg of scripts/test.sh: every test of the workspace, under cargo. Sourced by it, as every leg: the names that
# are not assigned here are those of test.sh and lib.sh.
# shellcheck disable=SC2154

# Passing tests' own words go to the log in full; the screen keeps the verdicts and what could not be tested.
quiet_successes() {
    sed -u '/^successes:$/,/^\(failures:$\|test result:\)/{/^failures:$\|^test result:\|NO DATA\|SKIPPED /!d}'
}

# All of the workspace, and the players of the platform in a build without GStreamer's pipelines.
rust_tests() {
    local code=0
    cargo test --workspace --no-fail-fast "${cargo_flags[@]}" -- --show-output || code=$?
    cargo test -p unspool-player --no-default-features --test contract "${cargo_flags[@]}" -- --show-output || code=$?
    return "$code"
}

# A few failures on a busy machine are each run once more, alone: what passes then is called FLAKY by name, on the leg's
# closing line and with its first words in the log, and is a bug to be found; what fails twice has failed.
# usage: flaky_tests LOG FAILED      prints a name for each flaky test; fails when any test failed twice
most_flaky=2
flaky_tests() {
    local log=$1 failed=$2 program name list
    list=$("$root_dir/scripts/failed-tests.sh" "$log")
    # Anything else that went wrong is not for a second run.
    [ "$failed" -le "$most_flaky" ] && [ "$(grep -c . <<<"$list")" -eq "$failed" ] || return 1
    if grep -q '^error: could not compile' "$log"; then return 1; fi
    while IFS=$'\t' read -r program name; do
        # Doc tests cannot be chosen by name, and the contract is tested in two builds.
        case $program in - | "--test contract") return 1 ;; esac
        warn "once more: $name"
        # shellcheck disable=SC2086
        cargo test --workspace $program "${cargo_flags[@]}" -- --exact "$name" --show-output >>"$log.again" 2>&1 </dev/null || return 1
        [ "$("$root_dir/scripts/count-tests.sh" "$log.again" | cut -d ' ' -f 1)" -gt 0 ] || return 1
        printf '%s ' "$name"
    done <<<"$list"
}

leg_rust() {
    local log=$reports_dir/test-rust.log begun=$SECONDS code=0 passed failed ignored no_data skipped died flaky note=""
    if ! use_rust; then
        skip_leg rust "no Rust $(rust_floor) or newer on this machine"
        return
    fi
    # A test delivers to a collector that is not ours; without one it says SKIPPED, which is a failure in CI.
    if UNSPOOL_ROTEL=$("$root_dir/scripts/setup-rotel.sh"); then export UNSPOOL_ROTEL; else unset UNSPOOL_ROTEL; fi
    rust_tests 2>&1 |
        tee "$log" | quiet_successes || code=$?
    mkdir -p "$reports_dir/rust"
    "$root_dir/scripts/junit-rust.sh" "$log" >"$reports_dir/rust/junit.xml"
    read -r passed failed ignored no_data skipped died < <("$root_dir/scripts/count-tests.sh" "$log")
    note=", $ignored ignored, NO DATA $no_data"
    rm -f "$log.again"
    if [ "$failed" -gt 0 ] && [ "$died" -eq 0 ] && flaky=$(flaky_tests "$log" "$failed"); then
        note+=", FLAKY ${flaky% }"
        passed=$((passed + failed)) failed=0 code=0
    fi
    if [ "$died" -gt 0 ]; then
        note+=" · $died test programs DIED without a result"
        code=1
    fi
    close_leg rust "$begun" "$code" "$passed" "$failed" "$skipped" "$log" "$note"
}
