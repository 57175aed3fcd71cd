#!/usr/bin/env bash
# cargo, from the toolchain that setup-rust.sh found or installed.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
use_rust || die "no Rust $(rust_floor) or newer: run make setup"
cd "$root_dir"
exec cargo "$@"
