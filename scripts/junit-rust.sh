#!/usr/bin/env bash
# Turns a log of `cargo test` (or stdin) into one JUnit report: a suite for each test program, a case for each test.
set -euo pipefail
cat -- "${1:--}" | awk '
    function escaped(text) {
        gsub(/&/, "\\&amp;", text); gsub(/</, "\\&lt;", text); gsub(/>/, "\\&gt;", text); gsub(/"/, "\\&quot;", text)
        gsub(/[\001-\010\013\014\016-\037]/, "", text)
        return text
    }
    function close_suite() {
        if (suite == "") return
        printf "  <testsuite name=\"%s\" tests=\"%d\" failures=\"%d\" errors=\"0\" skipped=\"%d\">\n%s  </testsuite>\n",
            escaped(suite), tests, failures, ignored, cases
        suite = ""
    }
    function case_of(name, inner) {
        tests++
        cases = cases sprintf("    <testcase classname=\"%s\" name=\"%s\"%s\n", escaped(suite), escaped(name),
            inner == "" ? "/>" : ">" inner "</testcase>")
    }
    BEGIN { print "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>" }
    { gsub(/\033\[[0-9;]*m/, "") }
    match($0, /(Running|Doc-tests) .+$/) && /^ *(Running|Doc-tests) / {
        close_suite()
        suite = $0
        sub(/^ *Running (unittests )?/, "", suite); sub(/^ *Doc-tests /, "doc ", suite)
        sub(/ \(.*\/deps\//, " ", suite); sub(/-[0-9a-f]+\)$/, "", suite)
        tests = failures = ignored = 0; cases = ""
    }
    suite != "" && match($0, /test .+ \.\.\. (ok|FAILED|ignored)/) {
        line = substr($0, RSTART + 5, RLENGTH - 5)
        name = line; sub(/ \.\.\. (ok|FAILED|ignored)$/, "", name); sub(/ - should panic$/, "", name)
        if (line ~ /FAILED$/) { failures++; case_of(name, "<failure message=\"see the log\"/>") }
        else if (line ~ /ignored$/) { ignored++; case_of(name, "<skipped/>") }
        else case_of(name, "")
    }
    END { close_suite(); print "</testsuites>" }'
