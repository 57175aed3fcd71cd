#!/usr/bin/env bash
# Runs the benches in release and leaves their page among the reports.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
use_rust || die "no Rust $(rust_floor) or newer: run make setup"
cd "$root_dir"
mkdir -p "$reports_dir"
cargo run --release -p unspool-bench "${cargo_flags[@]}" -- "$@" --html "$reports_dir/bench.html"
say "report: $reports_dir/bench.html"
