# shellcheck shell=bash
# The Kotlin leg of scripts/test.sh: the wrapper's tests, those of the Android shell's presenters, and the sample's screens in
# Robolectric, on a real JVM, against the reference server in a process of its own. The shell's library and sample compile against
# the framework's classes on the way. Sourced by it, as every leg: the names that are not assigned here are those of test.sh and lib.sh.
# shellcheck disable=SC2154,SC2034

# Maven on all modules, each built on those before it, told where the native build left its output. Its words go to a log.
kotlin_maven() { # log, arguments...
    local log=$1
    shift
    (cd "$root_dir/android" && mvn --fail-at-end "-Dunspool.target=$target_dir" "$@") >"$log" 2>&1
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
    local log=$reports_dir/test-kotlin.log reports=$reports_dir/kotlin shell=$reports_dir/android begun=$SECONDS code=0 why turn
    local passed=0 failed=0 skipped=0
    if ! why=$("$root_dir/scripts/setup-kotlin.sh" 2>&1); then
        skip_leg kotlin "$(printf '%s\n' "$why" | tail -n 1)"
        return
    fi
    if ! use_rust; then
        skip_leg kotlin "no Rust $(rust_floor) or newer on this machine"
        return
    fi
    rm -rf "$reports" "$shell"
    if ! foreign_parts "$log"; then
        close_leg kotlin "$begun" 1 0 0 0 "$log"
        return
    fi
    local without=()
    if ! command -v aapt2 >/dev/null 2>&1; then
        without=(--projects '!sample')
        warn "the Android sample is left out: aapt2 is not on this machine"
    fi
    say "kotlin: tests on $(java -version 2>&1 | head -n 1)"
    for turn in 1 2 3; do
        code=0
        kotlin_maven "$log" ${without[@]+"${without[@]}"} -U test || code=$?
        # A build that got as far as its tests, or failed for another reason than a download, is not repeated.
        [ "$code" -ne 0 ] && [ ! -d "$reports" ] && kotlin_fetch_broke "$log" || break
        warn "Maven could not fetch all it needs (try $turn of 3)"
    done
    if [ "$code" -ne 0 ] && [ ! -d "$reports" ] && kotlin_fetch_broke "$log"; then
        skip_leg kotlin "Maven's central repository is out of reach, see $log"
        return
    fi
    read -r passed failed skipped < <(kotlin_counts "$reports") || true
    if [ "$code" -ne 0 ]; then grep -E '^\[ERROR\]|^e: ' "$log" | head -n 40 >&2 || true; fi
    close_leg kotlin "$begun" "$code" "$passed" "$failed" "$skipped" "$log"
    # A module whose elder failed is not run, and says so as 0 passed.
    read -r passed failed skipped < <(kotlin_counts "$shell") || true
    close_leg android "$begun" "$code" "$passed" "$failed" "$skipped" "$log"
}
