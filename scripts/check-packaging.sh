#!/usr/bin/env bash
# Tries what can be tried here of the scripts that build for phones: the look at page sizes, the options, the names of missing tools.
# usage: check-packaging.sh
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
cd "$root_dir"
use_rust || die "no Rust $(rust_floor) or newer: run make setup"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

# expect NAME CODE WORDS COMMAND...: ends with the code, and says the words (an extended regular expression)
expect() {
    local name=$1 wanted=$2 words=$3 code=0 said
    shift 3
    said=$("$@" 2>&1) || code=$?
    if [ "$code" -eq "$wanted" ] && grep -qE -- "$words" <<<"$said"; then return 0; fi
    printf 'packaging: %s: ended with %s, not %s, or did not say "%s":\n%s\n' "$name" "$code" "$wanted" "$words" "$said" >&2
    failed=1
}

# A library for pages of 4 KB is refused, one for 16 KB is taken, and one of each is refused.
echo 'int answer(void) { return 42; }' >"$work/answer.c"
gcc -shared -fPIC -Wl,-z,max-page-size=4096 -o "$work/small.so" "$work/answer.c"
gcc -shared -fPIC -Wl,-z,max-page-size=16384 -o "$work/large.so" "$work/answer.c"
expect "pages of 4 KB" 1 "aligned to 4096, less than 16384" scripts/check-pages.sh "$work/small.so"
expect "pages of 16 KB" 0 "aligned to 16384" scripts/check-pages.sh "$work/large.so"
expect "one of each" 1 "small.so" scripts/check-pages.sh "$work/large.so" "$work/small.so"
expect "no library" 1 "loads nothing|cannot be read" scripts/check-pages.sh "$work/answer.c"
expect "pages of nothing" 2 "usage" scripts/check-pages.sh

# A machine without any of the tools: each is named, with where it comes from, and nothing is built.
bare() { env -u ANDROID_HOME -u ANDROID_SDK_ROOT -u ANDROID_NDK_HOME -u ANDROID_NDK_ROOT "$@"; }
for tool in 'Android NDK .*sdkmanager' 'Android SDK.*ANDROID_HOME'; do
    expect "a machine without an SDK" 2 "^MISSING $tool" bare scripts/build-android.sh --missing
    # A folder of the name is not the thing.
    expect "an SDK that is empty" 2 "^MISSING $tool" env ANDROID_HOME="$work" ANDROID_NDK_HOME="$work" scripts/build-android.sh --missing
done
expect "an unknown kind of processor" 1 "not 'mips'" scripts/build-android.sh mips
expect "an unknown option" 1 "not '--fast'" scripts/build-android.sh --fast
expect "an unknown option for iPhones" 1 "not '--fast'" scripts/build-ios.sh --fast
if [ "$(uname -s)" != Darwin ]; then
    expect "no Mac" 2 '^MISSING a Mac with Xcode' scripts/build-ios.sh --missing
    expect "no Mac, and nothing is built" 2 '^MISSING a Mac with Xcode' scripts/build-ios.sh --out "$work/ios"
    [ ! -e "$work/ios" ] || { echo "packaging: a folder was left" >&2; failed=1; }
fi

# One kind of processor asks for one standard library.
one=$(bare scripts/build-android.sh --missing arm64-v8a || true)
if grep -q armv7 <<<"$one"; then echo "packaging: asks for the library of a processor that is not built: $one" >&2; failed=1; fi

# The manifests: both name the products that the guide imports; that of iOS takes no flags of the linker.
mkdir -p "$work/generated"
touch "$work/generated/UnspoolBindings.swift" "$work/generated/UnspoolFFI.h"
for kind in linux ios; do
    expect "the package for $kind" 0 '' scripts/swift-package.sh "$kind" "$work/generated" "$work/$kind-package"
    expect "its product" 0 UnspoolCore grep -F '.library(name: "UnspoolCore"' "$work/$kind-package/Package.swift"
done
expect "no flags of the linker" 1 '' grep -F unsafeFlags "$work/ios-package/Package.swift"
expect "another system" 1 "not 'windows'" scripts/swift-package.sh windows "$work/generated" "$work/none"

[ "$failed" -eq 0 ] || die "the scripts that package are wrong"
