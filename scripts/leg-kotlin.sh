# shellcheck shell=bash
# The Kotlin leg of scripts/test.sh: the wrapper's tests on a real JVM, against the reference server in a process of its
# own. Sourced by it, as every leg: the names that are not assigned here are those of test.sh and lib.sh.
# shellcheck disable=SC2154,SC2034

# Maven on the Kotlin module, told where the native build left its output. Its words go to a log.
kotlin_maven() { # log, arguments...
    local log=$1
    shift
    (cd "$root_dir/bindings/kotlin" && mvn "-Dunspool.target=$target_dir" "$@") >"$log" 2>&1
}

# Whether a log of Maven tells of a download that broke off, not of a build that is wrong.
kotlin_fetch_broke() { grep -qE 'Could not transfer|Could not resolve|Connection (reset|refused)|timed out' "$1"; }

# Sums over the reports of surefire: passed failed skipped
kotlin_counts() { # directory
    find "$1" -name 'TEST-*.xml' -exec grep -hE '<testsuite ' {} + 2>/dev/null |
        awk 'function field(name) {
                return match($0, " " name "=\"[0-9]+\"") ? substr($0, RSTART + length(name) + 3, RLENGTH - length(name) - 4) : 0
            }
            { tests += field("tests"); failed += field("failures") + field("errors"); skipped += field("skipped") }
            END { print tests - failed - skipped, failed + 0, skipped + 0 }'
}

leg_kotlin() {
    local log=$reports_dir/test-kotlin.log reports=$reports_dir/kotlin begun=$SECONDS code=0 line turn
    local passed failed skipped
    if ! "$root_dir/scripts/setup-kotlin.sh" 2>&1 | tee "$log"; then
        skip_leg kotlin "$(tail -n 1 "$log")"
        return
    fi
    if ! use_rust; then
        skip_leg kotlin "no Rust $(rust_floor) or newer on this machine"
        return
    fi
    ran=$((ran + 1))
    mkdir -p "$reports_dir"
    rm -rf "$reports"
    say "kotlin: the library, its bindings and the reference server"
    if ! { "$root_dir/scripts/bindings.sh" --faults &&
        cargo build -p unspool-e2e --bin origin-process "${cargo_flags[@]}"; } >"$log" 2>&1; then
        tail -n 30 "$log" >&2
        closing+=("TESTS kotlin: the library or its bindings do not build, see $log · $((SECONDS - begun)) s")
        status=1
        return
    fi
    say "kotlin: tests on $(java -version 2>&1 | head -n 1)"
    export UNSPOOL_ORIGIN_PROGRAM=$target_dir/debug/origin-process
    kotlin_maven "$log" test || code=$?
    for turn in 2 3; do
        if [ "$code" -eq 0 ] || [ -d "$reports" ] || ! kotlin_fetch_broke "$log"; then break; fi
        warn "Maven could not fetch all it needs; try $turn of 3"
        code=0
        kotlin_maven "$log" -U test || code=$?
    done
    if [ "$code" -ne 0 ] && [ ! -d "$reports" ] && kotlin_fetch_broke "$log"; then
        ran=$((ran - 1))
        skip_leg kotlin "Maven's central repository is out of reach, see $log"
        return
    fi
    read -r passed failed skipped < <(kotlin_counts "$reports")
    line="TESTS kotlin: $passed passed, $failed failed"
    if [ "$skipped" -gt 0 ]; then line+=", SKIPPED $skipped"; fi
    line+=" · $((SECONDS - begun)) s"
    if [ "$failed" -gt 0 ]; then
        code=1
    elif [ "$code" -ne 0 ]; then
        line+=" · Maven FAILED ($code), see $log"
    elif [ "$passed" -eq 0 ]; then
        line+=" · nothing was tested"
        code=1
    elif [ "$skipped" -gt 0 ] && in_ci; then
        line+=" · a skip is a failure in CI"
        code=1
    fi
    if [ "$code" -ne 0 ]; then grep -E '^\[ERROR\]|^e: ' "$log" | head -n 40 >&2 || true; fi
    closing+=("$line")
    [ "$code" -eq 0 ] || status=1
}
