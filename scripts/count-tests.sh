#!/usr/bin/env bash
# Reads a log of `cargo test` (or stdin) and prints: passed failed ignored no_data skipped died
# died = test programs that announced their tests and never gave a result (a crash, an abort, a kill).
set -euo pipefail
cat -- "${1:--}" | awk '
    {
        gsub(/\033\[[0-9;]*m/, "")
        # A test may leave the cursor in mid-line, so the result is looked for anywhere in the line.
        if (match($0, /test result: [A-Za-z]+\. [0-9]+ passed; [0-9]+ failed; [0-9]+ ignored/)) {
            split(substr($0, RSTART, RLENGTH), word, " ")
            passed += word[4]; failed += word[6]; ignored += word[8]; results++
        }
        if ($0 ~ /^running [0-9]+ tests?$/) started++
        if ($0 ~ /NO DATA/) no_data++
        if ($0 ~ /^[[:space:]]*SKIPPED /) skipped++
    }
    END {
        died = started > results ? started - results : 0
        print passed + 0, failed + 0, ignored + 0, no_data + 0, skipped + 0, died
    }'
