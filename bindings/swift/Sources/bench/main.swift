// What the hottest calls cost from Swift, and what a swipe costs, against a running server.
//
// Usage: `bench DATA_DIR`, with the address of the server in `UNSPOOL_BENCH_ORIGIN`. Prints one JSON object.
//
// The times are those of whole calls, the core's own work included: whoever wants the cost of the crossing takes away
// what the same call costs from Rust.

import Foundation
import UnspoolCore

guard CommandLine.arguments.count == 2, let origin = ProcessInfo.processInfo.environment["UNSPOOL_BENCH_ORIGIN"] else {
    FileHandle.standardError.write(Data("usage: UNSPOOL_BENCH_ORIGIN=http://... bench DATA_DIR\n".utf8))
    exit(2)
}
let config = SessionConfig(dataDir: CommandLine.arguments[1], account: "bench", backend: origin, token: "bench")
let report = try await Unspool.withSession(config: config) { try await measure($0) }
let encoder = JSONEncoder()
encoder.keyEncodingStrategy = .convertToSnakeCase
encoder.outputFormatting = .sortedKeys
print(String(decoding: try encoder.encode(report), as: UTF8.self))
