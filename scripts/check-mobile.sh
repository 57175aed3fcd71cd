#!/usr/bin/env bash
# Checks the core for the processors of phones: its Rust code for Android and iPhone, its tests on 64-bit ARM under qemu.
# usage: check-mobile.sh [target|arm64...]
#   targets: aarch64-linux-android armv7-linux-androideabi aarch64-apple-ios; arm64 runs the tests (default: all four)
#
# What it proves: every line of Rust, ours and our dependencies', is accepted for the target, and the core's logic runs on an
# ARM processor. What it does not: C code (SQLite, ring) is not compiled for Android and iPhone and nothing is linked there,
# because that takes an NDK and Xcode. GStreamer is left out. One log: reports/mobile.log in the target directory.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
cd "$root_dir"
use_rust || die "no Rust $(rust_floor) or newer: run make setup"
root=$(scripts/setup-mobile.sh) || { echo "SKIPPED mobile: $(tail -n 1 <<<"$root")"; in_ci && exit 1 || exit 0; }

[ $# -gt 0 ] || set -- aarch64-linux-android armv7-linux-androideabi aarch64-apple-ios arm64
LD_LIBRARY_PATH=$(cat "$root/.libraries")
export LD_LIBRARY_PATH RUSTC=$root/usr/bin/rustc RUSTDOC=$root/usr/bin/rustdoc
export CARGO_TARGET_DIR=$target_dir/mobile CARGO_PROFILE_DEV_DEBUG=0
mkdir -p "$reports_dir" "$CARGO_TARGET_DIR/no-c/sdk"
log=$reports_dir/mobile.log
: >"$log"
closing=()
status=0

# Stands in for a C compiler where only Rust is checked: answers what build scripts ask, and makes empty objects.
no_c() {
    cat >"$CARGO_TARGET_DIR/no-c/cc" <<'CC'
#!/usr/bin/env bash
out="" mode=""
for ((i = 1; i <= $#; i++)); do
    case ${!i} in
        -o) next=$((i + 1)) && out=${!next} ;;
        -o*) out=${!i#-o} ;;
        -c | -S) mode=object ;;
        -E) mode=preprocess ;;
        -\?) echo "unknown argument" >&2; exit 1 ;;
        --version | -v | -dumpmachine | -print-*) mode=version ;;
    esac
done
case $mode in
    preprocess)
        kept=()
        for word; do case $word in *.c | *.h | *.S | -E | -D* | -I*) kept+=("$word") ;; esac; done
        exec gcc -D__clang__ "${kept[@]}"
        ;;
    version) echo "clang version 18.0.0"; echo "Target: ${CHECKED_TARGET:-}" ;;
    *) [ -z "$out" ] || : >"$out" ;;
esac
CC
    cat >"$CARGO_TARGET_DIR/no-c/ar" <<'AR'
#!/usr/bin/env bash
for word; do case $word in *.a) printf '!<arch>\n' >"$word"; exit 0 ;; esac; done
AR
    chmod +x "$CARGO_TARGET_DIR"/no-c/{cc,ar}
}

check() { # target
    local name=${1//-/_} stand_in=$CARGO_TARGET_DIR/no-c
    env "CC_$name=$stand_in/cc" "CXX_$name=$stand_in/cc" "AR_$name=$stand_in/ar" "CHECKED_TARGET=$1" "SDKROOT=$stand_in/sdk" \
        IPHONEOS_DEPLOYMENT_TARGET=15.0 RUSTC_BOOTSTRAP=1 \
        cargo check -Z build-std=std,panic_abort --target "$1" -p unspool-ffi --no-default-features "${cargo_flags[@]}" >>"$log" 2>&1
}

tests() {
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc \
        CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64 -L /usr/aarch64-linux-gnu" \
        cargo test --target aarch64-unknown-linux-gnu --no-default-features --no-fail-fast --lib \
        -p unspool-engine -p unspool-media -p unspool "${cargo_flags[@]}" -- --show-output >>"$log" 2>&1
}

no_c
for what in "$@"; do
    begun=$SECONDS code=0
    say "mobile: $what"
    printf '\n=== %s\n' "$what" >>"$log"
    case $what in
        arm64)
            scripts/setup-apt.sh arm
            tests || code=$?
            read -r passed failed _ _ _ died < <(scripts/count-tests.sh "$log")
            line="TESTS arm64: $passed passed, $failed failed"
            [ "$died" -eq 0 ] || { line+=", $died test programs DIED" && code=1; }
            [ "$passed" -gt 0 ] || code=1
            # What the emulation cannot show is said, and is proved on the machine's own processor by `make test`.
            while read -r words; do closing+=("NOT PROVED on arm64: ${words#SKIPPED }"); done < <(grep -oE '^ *SKIPPED .*' "$log" | sort -u)
            ;;
        *-android* | *-ios*)
            check "$what" || code=$?
            line="CHECK $what: $([ "$code" -eq 0 ] && echo ok || echo FAILED)"
            ;;
        *) die "check-mobile.sh knows no target '$what'" ;;
    esac
    if [ "$code" -ne 0 ]; then
        status=1
        grep -E '^error' -A 6 "$log" | tail -n 30 >&2 || true
    fi
    closing+=("$line · $((SECONDS - begun)) s")
done
printf '\n'
printf '%s\n' "${closing[@]}" | tee -a "$log"
exit "$status"
