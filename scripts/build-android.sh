#!/usr/bin/env bash
# Builds the Android archive: the core for each kind of processor, its Kotlin, and android/library around them.
# usage: build-android.sh [--missing] [--gstreamer] [--out DIR] [ABI...]
#   --missing     builds nothing and says which tools are missing
#   --gstreamer   with the core's own pipelines; docs/mobile-gstreamer.md says what the build must be told then
#   --out DIR     where the archive goes          (default: release/android in the target directory)
#   ABI           arm64-v8a, armeabi-v7a, x86_64  (default: all three)
# Prints `MISSING <tool>: ...` for each tool that is not here and ends with 2 then. Leaves DIR/unspool-android-<version>.aar, and in
# android of the target directory what Gradle puts into it: jniLibs/<ABI>/libunspool_ffi.so (stripped) and kotlin (generated from
# that library; one with other features has other calls). Gradle is told that folder as the property unspool.native.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
cd "$root_dir"

# Android 8.0: the library speaks of time in java.time.
api=26
build=$target_dir/android
out=$target_dir/release/android
only_missing=
features=(--no-default-features)
abis=()
while [ $# -gt 0 ]; do
    case $1 in
        --missing) only_missing=1 ;;
        --gstreamer) features=() ;;
        --out) out=${2:?--out needs a folder}; shift ;;
        arm64-v8a | armeabi-v7a | x86_64) abis+=("$1") ;;
        *) die "build-android.sh knows --missing, --gstreamer, --out DIR, arm64-v8a, armeabi-v7a and x86_64, not '$1'" ;;
    esac
    shift
done
[ "${#abis[@]}" -gt 0 ] || abis=(arm64-v8a armeabi-v7a x86_64)
use_rust || die "no Rust $(rust_floor) or newer: run make setup"

# Rust's name of the processor, and the beginning of the name of the NDK's compiler.
declare -A rust_target=([arm64-v8a]=aarch64-linux-android [armeabi-v7a]=armv7-linux-androideabi [x86_64]=x86_64-linux-android)
declare -A ndk_target=([arm64-v8a]=aarch64-linux-android [armeabi-v7a]=armv7a-linux-androideabi [x86_64]=x86_64-linux-android)

lacking=
lacks() { # tool, where it comes from
    echo "MISSING $1: the Android archive is not built; $2"
    lacking=1
}

# The NDK that is named, or the newest beside the SDK.
sdk=${ANDROID_HOME:-${ANDROID_SDK_ROOT:-}}
ndk=${ANDROID_NDK_HOME:-${ANDROID_NDK_ROOT:-}}
if [ -z "$ndk" ] && [ -n "$sdk" ] && [ -d "$sdk/ndk" ]; then ndk=$(find "$sdk/ndk" -mindepth 1 -maxdepth 1 -type d | sort -V | tail -n 1); fi
tools=$(find "${ndk:-/nonexistent}/toolchains/llvm/prebuilt" -mindepth 2 -maxdepth 2 -type d -name bin 2>/dev/null | head -n 1 || true)
[ -n "$tools" ] && [ -x "$tools/llvm-strip" ] ||
    lacks "Android NDK r26 or newer" "sdkmanager 'ndk;28.2.13676358', then set ANDROID_NDK_HOME to its folder"
[ -n "$sdk" ] && [ -d "$sdk/platforms" ] ||
    lacks "Android SDK" "install Android's command-line tools and set ANDROID_HOME, then sdkmanager 'platforms;android-36'"
gradle=$root_dir/android/gradlew
[ -x "$gradle" ] || gradle=$(command -v gradle) || lacks "Gradle 8.13 or newer" "its archive is on gradle.org; it fetches Google's Android plugin by itself"
for abi in "${abis[@]}"; do
    target=${rust_target[$abi]}
    [ -d "$(rustc --print sysroot)/lib/rustlib/$target/lib" ] || lacks "Rust's standard library for $target" "rustup target add $target"
done
[ -z "$lacking" ] || exit 2
[ -z "$only_missing" ] || exit 0

version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"$/\1/p' Cargo.toml)
rm -rf "$build/jniLibs"
mkdir -p "$build" "$out"
for abi in "${abis[@]}"; do
    target=${rust_target[$abi]} name=${rust_target[$abi]//-/_} clang=$tools/${ndk_target[$abi]}$api-clang
    say "android: the core for $abi"
    # Pages of 16 KB are the NDK's own choice from r28 on; said here, older ones do the same. What the environment says of flags
    # would replace these, so it is not handed on.
    (
        unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS
        export "CC_$name=$clang" "CXX_$name=$clang++" "AR_$name=$tools/llvm-ar" "CARGO_TARGET_${name^^}_LINKER=$clang" \
            "CARGO_TARGET_${name^^}_RUSTFLAGS=-Clink-arg=-Wl,-z,max-page-size=16384 -Clink-arg=-Wl,-z,common-page-size=16384"
        build_shipped "$target" cdylib "${features[@]}"
    )
    mkdir -p "$build/jniLibs/$abi"
    # The bindings are generated from the symbols that stripping takes away.
    whole=$target_dir/$target/ship/libunspool_ffi.so
    "$tools/llvm-strip" --strip-unneeded -o "$build/jniLibs/$abi/libunspool_ffi.so" "$whole"
done
scripts/check-pages.sh "$build"/jniLibs/*/libunspool_ffi.so

say "android: the bindings"
cargo build -p unspool-bindgen "${cargo_flags[@]}"
fresh=$(mktemp -d "$build/fresh.XXXXXX")
trap 'rm -rf "$fresh"' EXIT
"$target_dir/debug/unspool-bindgen" generate --library "$whole" --config uniffi.toml --out "$fresh"
rm -rf "$build/kotlin"
mv "$fresh/kotlin" "$build/kotlin"

say "android: the archive"
"$gradle" -p android ":library:assembleRelease" "-Punspool.native=$build" "-Punspool.version=$version"
archive=$out/unspool-android-$version.aar
cp android/library/build/outputs/aar/library-release.aar "$archive"
# What Gradle made of it is what ships: every library is in it and still fits.
mkdir "$fresh/aar"
(cd "$fresh/aar" && jar xf "$archive")
for abi in "${abis[@]}"; do scripts/check-pages.sh "$fresh/aar/jni/$abi/libunspool_ffi.so"; done
grep -q 'org.rustls.platformverifier' "$fresh/aar/proguard.txt" || die "the archive has no rules for R8"
say "android: $archive, $(stat -c %s "$archive") bytes"
