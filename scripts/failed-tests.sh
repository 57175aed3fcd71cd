#!/usr/bin/env bash
# Reads a log of `cargo test` (or stdin) and prints the tests that failed, a line each: the cargo option that selects the
# program (--lib, --bins, --test NAME), and the test's name. What cannot be run by itself (a doc test) has `-` for an option.
set -euo pipefail
cat -- "${1:--}" | awk '
    { gsub(/\033\[[0-9;]*m/, "") }
    /^ *Doc-tests / { program = "-" }
    /^ *Running / {
        program = $0
        sub(/^ *Running /, "", program); sub(/ \(.*$/, "", program)
        if (program ~ /^unittests .*lib\.rs$/) program = "--lib"
        else if (program ~ /^unittests /) program = "--bins"
        else { sub(/^.*tests\//, "", program); sub(/(\/main)?\.rs$/, "", program); program = "--test " program }
    }
    match($0, /test .+ \.\.\. FAILED/) {
        name = substr($0, RSTART + 5, RLENGTH - 16)
        sub(/ - should panic$/, "", name)
        print program "\t" name
    }'
