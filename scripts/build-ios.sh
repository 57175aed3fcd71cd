#!/usr/bin/env bash
# Builds the XCFramework for iPhones and their simulators, and the Swift package around it. Runs on a Mac.
# usage: build-ios.sh [--missing] [--out DIR]
#   --missing   builds nothing and says which tools are missing
#   --out DIR   where the package goes     (default: release/ios in the target directory)
# Prints `MISSING <tool>: ...` for each tool that is not here and ends with 2 then. Leaves DIR/Unspool: a Swift package with
# UnspoolFFI.xcframework (static libraries; the headers in a folder of the module's name, so that they cannot meet another
# framework's module map) and the generated and hand-written Swift. GStreamer is left out: AVPlayer reads the core's gateway.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
cd "$root_dir"

out=$target_dir/release/ios
only_missing=
while [ $# -gt 0 ]; do
    case $1 in
        --missing) only_missing=1 ;;
        --out) out=${2:?--out needs a folder}; shift ;;
        *) die "build-ios.sh knows --missing and --out DIR, not '$1'" ;;
    esac
    shift
done
use_rust || die "no Rust $(rust_floor) or newer: run make setup"

# As bindings/swift/Package.swift says.
export IPHONEOS_DEPLOYMENT_TARGET=16.0
device=aarch64-apple-ios
simulators=(aarch64-apple-ios-sim x86_64-apple-ios)

lacking=
lacks() { # tool, where it comes from
    echo "MISSING $1: the XCFramework is not built; $2"
    lacking=1
}
if [ "$(uname -s)" != Darwin ]; then
    lacks "a Mac with Xcode 16 or newer" "Apple's linker and frameworks run nowhere else"
elif ! command -v xcodebuild >/dev/null 2>&1 || ! xcodebuild -version >/dev/null 2>&1; then
    lacks "Xcode 16 or newer" "install it from the App Store, then xcode-select -s /Applications/Xcode.app"
fi
for target in "$device" "${simulators[@]}"; do
    [ -d "$(rustc --print sysroot)/lib/rustlib/$target/lib" ] || lacks "Rust's standard library for $target" "rustup target add $target"
done
[ -z "$lacking" ] || exit 2
[ -z "$only_missing" ] || exit 0

work=$target_dir/ios
package=$out/Unspool
rm -rf "$work" "$package"
mkdir -p "$work/headers/UnspoolFFI" "$work/device" "$work/simulator" "$package/Sources/UnspoolBindings"
for target in "$device" "${simulators[@]}"; do
    say "ios: the core for $target"
    build_shipped "$target" staticlib --no-default-features
done
cp "$target_dir/$device/ship/libunspool_ffi.a" "$work/device/"
# One file for the simulators of both kinds of Mac.
lipo -create -output "$work/simulator/libunspool_ffi.a" \
    "$target_dir/${simulators[0]}/ship/libunspool_ffi.a" "$target_dir/${simulators[1]}/ship/libunspool_ffi.a"

say "ios: the bindings"
cargo build -p unspool-bindgen "${cargo_flags[@]}"
"$target_dir/debug/unspool-bindgen" generate --library "$work/device/libunspool_ffi.a" --config uniffi.toml --out "$work/bindings"
scripts/swift-package.sh ios "$work/bindings/swift" "$package"
# The header lies in the framework, for both sides of it.
mv "$package/Sources/UnspoolFFI"/* "$work/headers/UnspoolFFI/"
rmdir "$package/Sources/UnspoolFFI"
# Local symbols name our sources and are of no use to an app.
strip -S -x "$work/device/libunspool_ffi.a" "$work/simulator/libunspool_ffi.a"

say "ios: the framework"
xcodebuild -create-xcframework \
    -library "$work/device/libunspool_ffi.a" -headers "$work/headers" \
    -library "$work/simulator/libunspool_ffi.a" -headers "$work/headers" \
    -output "$package/UnspoolFFI.xcframework"
(cd "$package" && xcodebuild -scheme Unspool -destination 'generic/platform=iOS' build)
say "ios: $package"
