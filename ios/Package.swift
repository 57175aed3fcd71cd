// swift-tools-version:6.0
import PackageDescription

// Without Apple's frameworks there is the logic and its tests alone; the views are checked for syntax there.
#if os(Linux)
let views: [Target] = []
let products: [Product] = []
// Debian's libswiftObservation refers to a function of the runtime that it reaches only to report a broken lock, and that
// nobody exports (swift-6.0.3): the linker is told to let that be.
let observation: [LinkerSetting] = [.unsafeFlags(["-Xlinker", "--allow-shlib-undefined"])]
#else
let views: [Target] = [.target(name: "UnspoolUI", dependencies: ["UnspoolKit"], resources: [.process("Resources")])]
let products: [Product] = [.library(name: "UnspoolUI", targets: ["UnspoolUI"])]
let observation: [LinkerSetting] = []
#endif

let package = Package(
    name: "UnspoolIos",
    defaultLocalization: "en",
    platforms: [.iOS(.v17), .macOS(.v14)],
    products: [.library(name: "UnspoolKit", targets: ["UnspoolKit"])] + products,
    dependencies: [.package(path: "../bindings/swift")],
    targets: [
        // View models without SwiftUI.
        .target(
            name: "UnspoolKit", dependencies: [.product(name: "UnspoolCore", package: "swift")],
            linkerSettings: observation),
        .testTarget(
            name: "UnspoolKitTests",
            dependencies: ["UnspoolKit", .product(name: "UnspoolTestkit", package: "swift")]),
    ] + views,
    swiftLanguageModes: [.v6]
)
