// swift-tools-version:6.0
import PackageDescription

// Without Apple's frameworks there is the logic, on the package of the checkout, and its tests; the views are checked for syntax
// there. On a Mac the core is the framework that scripts/build-ios.sh made, in the package around it.
#if os(Linux)
let package = "swift"
let core = Package.Dependency.package(path: "../bindings/swift")
let products: [Product] = []
let targets: [Target] = [
    .testTarget(name: "UnspoolKitTests", dependencies: ["UnspoolKit", .product(name: "UnspoolTestkit", package: package)])
]
// Debian's libswiftObservation refers to a function of the runtime that it reaches only to report a broken lock, and that
// nobody exports (swift-6.0.3): the linker is told to let that be.
let observation: [LinkerSetting] = [.unsafeFlags(["-Xlinker", "--allow-shlib-undefined"])]
#else
let package = "Unspool"
let core = Package.Dependency.package(path: "../target/release/ios/Unspool")
let products: [Product] = [.library(name: "UnspoolUI", targets: ["UnspoolUI"])]
let targets: [Target] = [.target(name: "UnspoolUI", dependencies: ["UnspoolKit"], resources: [.process("Resources")])]
let observation: [LinkerSetting] = []
#endif

let manifest = Package(
    name: "UnspoolIos",
    defaultLocalization: "en",
    platforms: [.iOS(.v17), .macOS(.v14)],
    products: [.library(name: "UnspoolKit", targets: ["UnspoolKit"])] + products,
    dependencies: [core],
    targets: [
        // View models without SwiftUI.
        .target(
            name: "UnspoolKit", dependencies: [.product(name: "UnspoolCore", package: package)],
            linkerSettings: observation)
    ] + targets,
    swiftLanguageModes: [.v6]
)
