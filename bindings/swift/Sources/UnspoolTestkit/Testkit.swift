import Foundation
import UnspoolCore

// What the tests of this package and of the iOS shell share. It starts programs, so it is for machines that have them.

/// Something a test did not reckon with.
public struct Unexpected: Error, CustomStringConvertible {
    public let what: String

    public init(what: String) { self.what = what }

    public var description: String { what }
}

/// A wait that lasts longer has failed.
public let patience = Duration.seconds(30)
public let patienceSeconds: TimeInterval = 30

/// A folder that is gone with the last user of this object.
public final class Scratch: Sendable {
    public let url: URL

    public init() throws {
        url = FileManager.default.temporaryDirectory.appendingPathComponent("unspool-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: url) }

    public func path(_ name: String) -> String { url.appendingPathComponent(name).path }
}

/// A configuration for tests: batches leave at once, first frames are looked at.
public func config(
    _ scratch: Scratch, _ origin: Origin? = nil, backend: String? = nil, dir: String = "core", token: String? = "ada",
    conditions: Conditions? = nil, requestTimeout: TimeInterval? = nil, safetyKeys: [String] = [],
    mediaHosts: [String] = [], captions: [String] = [], reducedMotion: Bool = false, utcOffsetMin: Int32? = nil
) -> SessionConfig {
    SessionConfig(
        dataDir: scratch.path(dir), account: "ada", backend: origin?.url ?? backend, token: token, conditions: conditions,
        captions: captions, reducedMotion: reducedMotion, utcOffsetMin: utcOffsetMin, describeFirstFrame: true,
        sendEvery: 0.2, requestTimeout: requestTimeout, mediaHosts: mediaHosts, safetyKeys: safetyKeys)
}

/// A configuration without a network and without a server.
public func offlineConfig(
    _ scratch: Scratch, dir: String = "core", captions: [String] = [], reducedMotion: Bool = false,
    utcOffsetMin: Int32? = nil
) -> SessionConfig {
    config(
        scratch, backend: "http://127.0.0.1:9", dir: dir, conditions: Conditions(online: false), captions: captions,
        reducedMotion: reducedMotion, utcOffsetMin: utcOffsetMin)
}

/// Runs `body` against a time; cancels it and throws when that is over.
public func inTime<Value: Sendable>(
    _ what: String, _ body: @escaping @Sendable () async throws -> Value
) async throws -> Value {
    try await withThrowingTaskGroup(of: Value.self) { group in
        group.addTask(operation: body)
        group.addTask {
            try await Task.sleep(for: patience)
            throw Unexpected(what: "not in time: \(what)")
        }
        defer { group.cancelAll() }
        guard let value = try await group.next() else { throw CancellationError() }
        return value
    }
}

/// Waits until something holds that nobody tells of.
public func eventually(_ what: String, _ holds: @escaping @Sendable () async throws -> Bool) async throws {
    try await inTime(what) {
        while try await !holds() { try await Task.sleep(for: .milliseconds(5)) }
    }
}

extension Feed {
    /// Waits until the feed is as wanted, and gives that state.
    @discardableResult
    public func until(_ what: String, _ wanted: @escaping @Sendable (FeedSnapshot) -> Bool) async throws -> FeedSnapshot {
        let feed = self
        return try await inTime(what) {
            for try await snapshot in feed.snapshots where wanted(snapshot) { return snapshot }
            throw Unexpected(what: "the feed ended before: \(what)")
        }
    }
}

/// A value that tasks and threads share.
public final class Shared<Value: Sendable>: @unchecked Sendable {
    private let lock = NSLock()
    private var value: Value

    public init(_ value: Value) { self.value = value }

    @discardableResult
    public func with<Result>(_ body: (inout Value) throws -> Result) rethrows -> Result {
        try lock.withLock { try body(&value) }
    }

    public var now: Value { with { $0 } }
}

/// What a call threw, or nil.
public func thrown(by call: () async throws -> Void) async -> (any Error)? {
    do {
        try await call()
        return nil
    } catch {
        return error
    }
}
