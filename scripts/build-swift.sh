#!/usr/bin/env bash
# Builds the Swift package inside the Swift root, on bindings that bindings.sh made.
# usage: build-swift.sh [--ios] BINDINGS debug|release [OPTION OF swift build]...
#   --ios      the logic of the iOS shell, which stands on the package; what both are made of is compiled once
#   BINDINGS   the folder bindings.sh wrote to; its generated sources are linked into the package
#   release    optimised, on the library as it ships; debug on that of the tests
# Leaves the programs in swift/build/<debug|release> in the target directory.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
package=$root_dir/bindings/swift
if [ "${1:-}" = --ios ]; then
    package=$root_dir/ios
    shift
fi
[ $# -ge 2 ] || { echo "usage: build-swift.sh [--ios] BINDINGS debug|release [OPTION]..." >&2; exit 2; }
bindings=$(realpath "$1")
profile=$2
shift 2
case $profile in
    debug) library=$bindings/debug ;;
    release) library=$bindings/ship ;;
    *) die "build-swift.sh builds debug or release, not '$profile'" ;;
esac

sources=$root_dir/bindings/swift/Sources
mkdir -p "$sources/UnspoolBindings" "$sources/UnspoolGuide"
ln -sfn "$bindings/swift/UnspoolBindings.swift" "$sources/UnspoolBindings/UnspoolBindings.swift"
ln -sfn "$bindings/swift/UnspoolFFI.h" "$sources/UnspoolFFI/UnspoolFFI.h"
ln -sfn "$target_dir/guides/swift/IosGuide.swift" "$sources/UnspoolGuide/IosGuide.swift"
# Both packages share the scratch folder, and a plan that is kept there is not asked whose it was.
UNSPOOL_FFI_LIBRARY=$library exec "$root_dir/scripts/in-swift.sh" swift build --disable-build-manifest-caching \
    --package-path "$package" --scratch-path "$target_dir/swift/build" --configuration "$profile" "$@"
