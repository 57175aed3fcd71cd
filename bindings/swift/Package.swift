// swift-tools-version:6.0
import PackageDescription

/// The folder that holds `libunspool_ffi.so`; programs look for it there when they start, too.
let library = Context.environment["UNSPOOL_FFI_LIBRARY"] ?? "../../target/ffi/debug"

let package = Package(
    name: "Unspool",
    platforms: [.macOS(.v13), .iOS(.v16)],
    products: [
        .library(name: "UnspoolCore", targets: ["UnspoolCore"]),
        .library(name: "UnspoolTestkit", targets: ["UnspoolTestkit"]),
    ],
    targets: [
        // The C header that the generator writes, and our module map for it.
        .systemLibrary(name: "UnspoolFFI"),
        // Generated. In the language mode of Swift 5: the compiler of 6.0 crashes on its asynchronous protocols in that of 6.
        .target(
            name: "UnspoolBindings",
            dependencies: ["UnspoolFFI"],
            swiftSettings: [.swiftLanguageMode(.v5)],
            linkerSettings: [.unsafeFlags(["-L\(library)", "-Xlinker", "-rpath", "-Xlinker", library])]
        ),
        .target(name: "UnspoolCore", dependencies: ["UnspoolBindings"]),
        .executableTarget(name: "bench", dependencies: ["UnspoolCore"]),
        // The code of docs/guides/ios.md, which scripts/guides.py takes out of the page; for the tests alone.
        .target(name: "UnspoolGuide", dependencies: ["UnspoolCore"]),
        // The reference server in a process of its own, and waits with an end: for tests, here and of the iOS shell.
        .target(name: "UnspoolTestkit", dependencies: ["UnspoolCore"]),
        .testTarget(name: "UnspoolCoreTests", dependencies: ["UnspoolCore", "UnspoolGuide", "UnspoolTestkit"]),
    ],
    swiftLanguageModes: [.v6]
)
