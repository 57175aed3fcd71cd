# shellcheck shell=bash
# The Kotlin leg of scripts/test.sh: the wrapper's tests on a real JVM, against the origin in a process of its own.
# Sourced; uses root_dir, target_dir, reports_dir, closing, ran, status and skip_leg of test.sh.

# Maven, told where the native build left its output. Downloads that break off are taken up once more.
kotlin_maven() { # log, arguments...
    local log=$1
    shift
    (cd "$root_dir/bindings/kotlin" && mvn "-Dunspool.target=$target_dir" "$@") >"$log" 2>&1
}

# Fetches plugins and libraries; told apart from the build so that a dropped connection is not a failed test.
kotlin_fetch() {
    local log=$reports_dir/fetch-kotlin.log turn
    for turn in 1 2 3; do
        if kotlin_maven "$log" -Dmaven.main.skip -Dunspool.fetch=true -DskipTests test-compile; then return 0; fi
        grep -qE 'Could not (transfer|resolve)|Connection|timed out' "$log" || return 0
        warn "Maven could not fetch all it needs (try $turn of 3)"
    done
    return 1
}

# Sums of tests, failures (errors among them) and skips over the reports of surefire.
kotlin_counts() { # directory
    find "$1" -name 'TEST-*.xml' -exec grep -hE '<testsuite ' {} + 2>/dev/null |
        awk '{
                if (match($0, / tests="[0-9]+"/)) tests += substr($0, RSTART + 8, RLENGTH - 9)
                if (match($0, / failures="[0-9]+"/)) failed += substr($0, RSTART + 11, RLENGTH - 12)
                if (match($0, / errors="[0-9]+"/)) failed += substr($0, RSTART + 9, RLENGTH - 10)
                if (match($0, / skipped="[0-9]+"/)) skipped += substr($0, RSTART + 10, RLENGTH - 11)
            }
            END { print tests - failed - skipped, failed + 0, skipped + 0 }'
}
