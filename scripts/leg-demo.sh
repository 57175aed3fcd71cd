# shellcheck shell=bash
# The demo's leg of scripts/test.sh, which sources it: its page in a real browser against the reference server.
# shellcheck disable=SC2154

leg_demo() {
    local log=$reports_dir/test-demo.log begun=$SECONDS code=0 passed failed step note=""
    : >"$log"
    if ! "$root_dir/scripts/setup-browser.sh" >/dev/null; then
        skip_leg demo "no Chromium, or its driver cannot be fetched"
        return
    fi
    if ! use_rust; then
        skip_leg demo "no Rust $(rust_floor) or newer on this machine"
        return
    fi
    # Where other legs ran before, it was built with what they need.
    if [ -z "${foreign_built:-}" ] && ! cargo build -p unspool-demo "${cargo_flags[@]}" >>"$log" 2>&1; then
        tail -n 30 "$log" >&2
        close_leg demo "$begun" 1 0 0 0 "$log" " · the demo does not build"
        return
    fi
    say "demo: its page in $(chromium --version 2>/dev/null || echo a browser)"
    "$root_dir/scripts/demo-check.sh" "$target_dir/debug/unspool-demo" >>"$log" 2>&1 || code=$?
    # Steps build on each other, so all of them are run once more; what passes then is FLAKY by name, as in the Rust leg.
    if step=$(sed -n 's/^FAILED \([a-z_]*\) .*/\1/p' "$log" | grep .); then
        warn "once more, for $step: $log"
        code=0
        "$root_dir/scripts/demo-check.sh" "$target_dir/debug/unspool-demo" >>"$log" 2>&1 || code=$?
        if [ "$code" -eq 0 ]; then note=", FLAKY $step"; fi
    fi
    read -r passed failed < <(sed -n 's/^demo: \([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' "$log" | tail -n 1 | grep . || echo 0 0)
    if [ "$code" -ne 0 ]; then tail -n 40 "$log" >&2; fi
    close_leg demo "$begun" "$code" "$passed" "$failed" 0 "$log" "$note"
}
