#!/usr/bin/env bash
# Format, lints, documentation, licences and house rules. Every check runs, then the failed ones are named.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
cd "$root_dir"
use_rust || die "no Rust $(rust_floor) or newer: run make setup"
begun=$SECONDS
failed=()

check() { # name, command...
    local name=$1 from=$SECONDS
    shift
    say "lint: $name"
    if "$@"; then say "lint: $name ok · $((SECONDS - from)) s"; else failed+=("$name"); fi
}

docs() { RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --workspace "${cargo_flags[@]}"; }
deny() {
    local program
    program=$(scripts/setup-deny.sh) || return 1
    "$program" check --hide-inclusion-graph bans licenses sources
}

check format cargo fmt --all -- --check
check clippy cargo clippy --workspace --all-targets "${cargo_flags[@]}" -- -D warnings
check "player without GStreamer" cargo check -p unspool-player --no-default-features "${cargo_flags[@]}"
check docs docs
check "licences, bans, sources" deny
check bindings scripts/golden.sh check
check packaging scripts/check-packaging.sh
check house scripts/check-house.sh

if [ "${#failed[@]}" -gt 0 ]; then
    say "LINT failed: $(IFS=,; echo "${failed[*]}") · $((SECONDS - begun)) s"
    exit 1
fi
say "LINT ok · $((SECONDS - begun)) s"
