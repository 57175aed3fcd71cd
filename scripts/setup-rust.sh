#!/usr/bin/env bash
# Makes sure that a Rust toolchain new enough for the workspace is here, in this order:
# the one on PATH; rustup's installer; Debian's own rustc-web and cargo-web packages.
# usage: setup-rust.sh [lint]      (lint: rustfmt and clippy too)
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

want_lint=false
[ "${1:-}" != lint ] || want_lint=true
floor=$(rust_floor)

have_lint_tools() { cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1; }

from_rustup() {
    local installer
    if command -v rustup >/dev/null 2>&1; then
        say "the Rust here is older than $floor: asking rustup for $floor"
        rustup toolchain install "$floor" --profile minimal --component rustfmt --component clippy
        return
    fi
    command -v curl >/dev/null 2>&1 || return 1
    installer=$(mktemp)
    if ! curl --proto '=https' --tlsv1.2 -sSf --connect-timeout 10 --max-time 60 https://sh.rustup.rs -o "$installer"; then
        rm -f "$installer"
        return 1
    fi
    say "installing Rust $floor with rustup into ${CARGO_HOME:-$HOME/.cargo}"
    sh "$installer" -y --no-modify-path --profile minimal --default-toolchain "$floor" --component rustfmt,clippy ||
        { rm -f "$installer"; return 1; }
    rm -f "$installer"
}

# Debian keeps a current Rust in its security suite, for building browsers; the commands are /usr/bin/cargo and rustc.
from_debian() {
    command -v apt-cache >/dev/null 2>&1 || return 1
    can_be_root || { warn "Debian's rustc-web could be installed, but this user is neither root nor has sudo"; return 1; }
    apt_update
    local candidate
    candidate=$(apt-cache policy rustc-web | awk '$1 == "Candidate:" {print $2}')
    case $candidate in
        '' | '(none)') warn "apt offers no rustc-web"; return 1 ;;
    esac
    if ! version_at_least "${candidate%%[+~-]*}" "$floor"; then
        warn "apt offers rustc-web $candidate, older than $floor: is Debian's security suite among apt's sources?"
        return 1
    fi
    apt_install rustc-web cargo-web
}

lint_tools() {
    have_lint_tools && return
    if command -v rustup >/dev/null 2>&1; then
        rustup component add rustfmt clippy
    elif [ "$(command -v cargo)" = /usr/bin/cargo ] && command -v apt-get >/dev/null 2>&1; then
        apt_install rustfmt-web rust-web-clippy
    fi
    have_lint_tools
}

if ! use_rust; then
    say "no Rust $floor or newer on this machine"
    if ! { from_rustup && use_rust; }; then
        warn "rustup's toolchain cannot be had here; trying Debian's packages"
        if ! { from_debian && use_rust; }; then
            die "SKIPPED rust: no Rust $floor or newer, rustup's installer is out of reach, and Debian offers none new enough. Install Rust $floor and run again."
        fi
    fi
    say "Rust is ready: $(rustc --version), $(command -v cargo)"
fi
if $want_lint && ! lint_tools; then
    die "SKIPPED lint: rustfmt or clippy is missing for $(rustc --version) and could not be installed"
fi
