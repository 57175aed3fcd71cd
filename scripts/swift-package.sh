#!/usr/bin/env bash
# Lays out the Swift package as an app takes it: our Swift, the generated Swift, the header, a manifest, the licences.
# usage: swift-package.sh linux|ios GENERATED TO
#   linux       the core is the library TO/lib/libunspool_ffi.so      (the caller puts it there)
#   ios         the core is the framework TO/UnspoolFFI.xcframework   (the caller makes it; the header lies in it)
#   GENERATED   folder with UnspoolBindings.swift and UnspoolFFI.h
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
cd "$root_dir"
[ $# -eq 3 ] || { echo "usage: swift-package.sh linux|ios GENERATED TO" >&2; exit 2; }
kind=$1 generated=$2 to=$3

case $kind in
    linux)
        core='.systemLibrary(name: "UnspoolFFI")'
        # Flags of the linker make this a package for one's own disk: SwiftPM takes none from a package that is fetched.
        links='.unsafeFlags(["-L\(library)", "-Xlinker", "-rpath", "-Xlinker", library])'
        head=$'\n/// The folder that holds `libunspool_ffi.so`; programs look for it there when they start, too.\nlet library = Context.environment["UNSPOOL_FFI_LIBRARY"] ?? Context.packageDirectory + "/lib"\n'
        map=$'module UnspoolFFI {\n    header "UnspoolFFI.h"\n    link "unspool_ffi"\n    export *\n}'
        ;;
    ios)
        core='.binaryTarget(name: "UnspoolFFI", path: "UnspoolFFI.xcframework")'
        # Certificates are judged by Security; the core asks nothing else of the system's frameworks.
        links='.linkedFramework("Security"), .linkedFramework("CoreFoundation")'
        head=
        map=$'module UnspoolFFI {\n    header "UnspoolFFI.h"\n    export *\n}'
        ;;
    *) die "swift-package.sh knows linux and ios, not '$kind'" ;;
esac

mkdir -p "$to/Sources/UnspoolFFI" "$to/Sources/UnspoolBindings"
cp -r bindings/swift/Sources/UnspoolCore "$to/Sources/"
cp "$generated/UnspoolBindings.swift" "$to/Sources/UnspoolBindings/"
cp "$generated/UnspoolFFI.h" "$to/Sources/UnspoolFFI/"
printf '%s\n' "$map" >"$to/Sources/UnspoolFFI/module.modulemap"
cp bindings/swift/README.md LICENSE-MIT LICENSE-APACHE "$to/"
cat >"$to/Package.swift" <<MANIFEST
// swift-tools-version:6.0
import PackageDescription
$head
let package = Package(
    name: "Unspool",
    platforms: [.macOS(.v13), .iOS(.v16)],
    products: [.library(name: "UnspoolCore", targets: ["UnspoolCore"])],
    targets: [
        $core,
        // Generated. In the language mode of Swift 5: the compiler of 6.0 crashes on its asynchronous protocols in that of 6.
        .target(
            name: "UnspoolBindings",
            dependencies: ["UnspoolFFI"],
            swiftSettings: [.swiftLanguageMode(.v5)],
            linkerSettings: [$links]
        ),
        .target(name: "UnspoolCore", dependencies: ["UnspoolBindings"]),
    ],
    swiftLanguageModes: [.v6]
)
MANIFEST
