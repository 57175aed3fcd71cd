# shellcheck shell=bash
# Sourced by every other script: words to the person, root rights, versions, and the Rust toolchain on PATH.

root_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
target_dir=${CARGO_TARGET_DIR:-$root_dir/target}
# A relative CARGO_TARGET_DIR means "from the workspace root", wherever make was called.
case $target_dir in /*) ;; *) target_dir=$root_dir/$target_dir ;; esac
export CARGO_TARGET_DIR=$target_dir
# shellcheck disable=SC2034
reports_dir=$target_dir/reports
# The tools live outside the target directory, so that `make clean` does not cost a download.
# They are read by the scripts that source this file.
# shellcheck disable=SC2034
tools_dir=${XDG_CACHE_HOME:-$HOME/.cache}/unspool/tools

say() { printf '==> %s\n' "$*"; }
warn() { printf '==> %s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

in_ci() { [ "${CI:-}" = true ]; }

# In CI the lockfile is law; elsewhere a developer may be adding a dependency.
# shellcheck disable=SC2034
cargo_flags=()
# shellcheck disable=SC2034
if in_ci; then cargo_flags=(--locked); fi

# version_at_least 1.96.0 1.95 -> true
version_at_least() {
    [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]
}

# The oldest Rust the workspace accepts, read from the one place that states it.
rust_floor() {
    sed -n 's/^rust-version = "\([0-9.]*\)"$/\1/p' "$root_dir/Cargo.toml" | head -n 1
}

# Runs a command as root: directly, or through sudo. Fails when neither is possible.
can_be_root() { [ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null 2>&1; }
as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# True when both cargo and rustc in directory $1 (or on PATH when empty) run and are new enough.
rust_is_new_enough() {
    local prefix=${1:+$1/} tool version floor
    floor=$(rust_floor)
    for tool in cargo rustc; do
        version=$("$prefix$tool" --version 2>/dev/null | awk '{print $2}') || return 1
        [ -n "$version" ] && version_at_least "$version" "$floor" || return 1
    done
}

# Puts a Rust toolchain that is new enough on PATH. Returns 1 when this machine has none.
use_rust() {
    local dir
    if rust_is_new_enough ""; then return 0; fi
    for dir in "${CARGO_HOME:-$HOME/.cargo}/bin" /usr/bin; do
        if rust_is_new_enough "$dir"; then
            PATH=$dir:$PATH
            export PATH
            return 0
        fi
    done
    # A rustup whose default is too old may still hold the release this workspace names.
    local floor
    floor=$(rust_floor)
    rustup toolchain list 2>/dev/null | grep -qE "^$floor([.-]|$)" || return 1
    export RUSTUP_TOOLCHAIN=$floor
    rust_is_new_enough ""
}

# Packages among the arguments that dpkg does not know as installed, one a line.
missing_packages() {
    comm -23 <(printf '%s\n' "$@" | sort -u) \
        <(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null |
            awk '$1 == "installed" {print $2}' | sort -u)
}

# apt is talkative: its words go to a log, of which the end is shown when it fails.
apt_get() {
    local log=$reports_dir/apt.log
    mkdir -p "$reports_dir"
    # TMPDIR: large packages unpack there while they are configured, and /tmp can be small.
    as_root env DEBIAN_FRONTEND=noninteractive TMPDIR=/var/tmp apt-get -q -o Dpkg::Use-Pty=0 "$@" \
        >"$log" 2>&1 </dev/null && return 0
    warn "apt-get $1 failed; the end of $log:"
    tail -n 15 "$log" >&2
    return 1
}

# Refreshes apt's lists. Carries on with the old ones when there is no network, and says so.
apt_update() {
    apt_get update -o APT::Update::Error-Mode=any ||
        warn "apt could not refresh its lists (no network for apt?). Going on with the lists it has."
}

# Installs the named Debian packages that are missing. Silent and quick when all are there.
apt_install() {
    local missing begun=$SECONDS
    mapfile -t missing < <(missing_packages "$@")
    [ "${#missing[@]}" -gt 0 ] || return 0
    command -v apt-get >/dev/null 2>&1 || die "apt-get is not on this machine; install by hand: ${missing[*]}"
    if ! can_be_root; then
        die "these Debian packages are missing and this user is neither root nor has sudo. Ask an administrator for: apt-get install --no-install-recommends ${missing[*]}"
    fi
    say "installing ${#missing[@]} Debian packages (up to 300 MB to fetch, a few minutes): ${missing[*]}"
    apt_update
    if ! apt_get install -y --no-install-recommends "${missing[@]}"; then
        # A run that died half-way (a dropped connection, a full disk) leaves packages unpacked but not configured.
        warn "repairing and trying once more"
        apt_get install -y --fix-broken || true
        apt_get install -y --no-install-recommends "${missing[@]}" ||
            die "apt cannot install: ${missing[*]}. Without a network for apt they must come from an image that has them."
    fi
    say "installed in $((SECONDS - begun)) s"
}

# Builds the library that apps ship: the profile `ship`, and what its linker can do that a profile cannot say (ADR 0015).
# Leaves it in [TARGET/]ship of the target directory. cargo's own --target is given as the first word, "" for this machine.
build_shipped() { # target, cdylib|staticlib, cargo's options...
    local target=$1 kind=$2 flags=()
    shift 2
    # Functions of the same code become one: nothing of ours, and nothing below us, tells two functions apart by address.
    case ${target:-$(rustc -vV | sed -n 's/^host: //p')} in
        # Rust's own linker here. Relocations packed like this are read by glibc from 2.36 on, Debian 12's.
        x86_64-unknown-linux-gnu) flags=("--icf=all" "-z,pack-relative-relocs") ;;
        # The NDK's linker. Android reads this packing from API 23 on; RELR, which is smaller still, from 28.
        *-android*) flags=("--icf=all" "--pack-dyn-relocs=android") ;;
        # Apple's linker knows neither, and what others know depends on the machine.
    esac
    cargo rustc --profile ship -p unspool-ffi --lib --crate-type "$kind" ${target:+--target "$target"} "$@" "${cargo_flags[@]}" \
        -- "${flags[@]/#/-Clink-arg=-Wl,}"
}
