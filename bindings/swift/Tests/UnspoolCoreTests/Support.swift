import Foundation
import Testing
import UnspoolCore

/// All tests, one after the other: they play video, and there may be two cores.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct UnspoolTests {}

/// Something a test did not reckon with.
struct Unexpected: Error, CustomStringConvertible {
    let what: String
    var description: String { what }
}

/// A wait that lasts longer has failed.
let patience = Duration.seconds(30)
let patienceSeconds: TimeInterval = 30

/// A folder that is gone with the last user of this object.
final class Scratch: Sendable {
    let url: URL

    init() throws {
        url = FileManager.default.temporaryDirectory.appendingPathComponent("unspool-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: url) }

    func path(_ name: String) -> String { url.appendingPathComponent(name).path }
}

/// A configuration for tests: batches leave at once, first frames are looked at.
func config(
    _ scratch: Scratch, _ origin: Origin? = nil, backend: String? = nil, dir: String = "core", token: String? = "ada",
    conditions: Conditions? = nil, requestTimeout: TimeInterval? = nil, safetyKeys: [String] = [],
    captions: [String] = [], reducedMotion: Bool = false, utcOffsetMin: Int32? = nil
) -> SessionConfig {
    SessionConfig(
        dataDir: scratch.path(dir), account: "ada", backend: origin?.url ?? backend, token: token, conditions: conditions,
        captions: captions, reducedMotion: reducedMotion, utcOffsetMin: utcOffsetMin, describeFirstFrame: true, sendEvery: 0.2, requestTimeout: requestTimeout, safetyKeys: safetyKeys)
}

/// A configuration without a network and without a server.
func offlineConfig(
    _ scratch: Scratch, dir: String = "core", captions: [String] = [], reducedMotion: Bool = false,
    utcOffsetMin: Int32? = nil
) -> SessionConfig {
    config(
        scratch, backend: "http://127.0.0.1:9", dir: dir, conditions: Conditions(online: false), captions: captions,
        reducedMotion: reducedMotion, utcOffsetMin: utcOffsetMin)
}

/// Runs `body` against a time; cancels it and throws when that is over.
func inTime<Value: Sendable>(
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
func eventually(_ what: String, _ holds: @escaping @Sendable () async throws -> Bool) async throws {
    try await inTime(what) {
        while try await !holds() { try await Task.sleep(for: .milliseconds(5)) }
    }
}

extension Feed {
    /// Waits until the feed is as wanted, and gives that state.
    @discardableResult
    func until(_ what: String, _ wanted: @escaping @Sendable (FeedSnapshot) -> Bool) async throws -> FeedSnapshot {
        let feed = self
        return try await inTime(what) {
            for try await snapshot in feed.snapshots where wanted(snapshot) { return snapshot }
            throw Unexpected(what: "the feed ended before: \(what)")
        }
    }

    /// The whole log of a feed without waiting; the core keeps 2,048 events.
    func allEvents() -> [Event] {
        var events: [Event] = []
        while true {
            let batch = eventsNow(after: UInt64(events.count))
            if batch.events.isEmpty { return events }
            events += batch.events
        }
    }
}

/// What the first frame of a card was like.
struct Frame {
    let startClass: StartClass
    let width, height: UInt32
    let luma: Double?
}

/// Follows the events of a feed by number, and fails when one is missed.
final class Follower {
    private let feed: Feed
    private var last: UInt64 = 0

    init(_ feed: Feed) { self.feed = feed }

    /// Takes events until one is as wanted.
    func until(_ what: String, _ wanted: (Event) throws -> Bool) async throws {
        while true {
            let (feed, after) = (feed, last)
            let batch = try await inTime(what) { try await feed.eventsAfter(after: after) }
            #expect(batch.missed == 0)
            for (number, event) in batch.numbered {
                last = number
                if try wanted(event) { return }
            }
        }
    }

    /// The first frame of the card at `position`; fails when the card or the players do.
    func firstFrame(_ position: UInt64) async throws -> Frame {
        var frame: Frame?
        try await until("the first frame of card \(position)") { event in
            switch event {
            case let .firstFrame(position: at, _, startClass, _, width, height, luma) where at == position:
                frame = Frame(startClass: startClass, width: width, height: height, luma: luma)
            case let .cardFailed(position: at, _, reason) where at == position:
                throw Unexpected(what: "card \(at): \(reason)")
            case let .playersFailed(reason):
                throw Unexpected(what: reason)
            default: break
            }
            return frame != nil
        }
        return try #require(frame)
    }
}

/// A value that tasks and threads share.
final class Shared<Value: Sendable>: @unchecked Sendable {
    private let lock = NSLock()
    private var value: Value

    init(_ value: Value) { self.value = value }

    @discardableResult
    func with<Result>(_ body: (inout Value) throws -> Result) rethrows -> Result {
        try lock.withLock { try body(&value) }
    }

    var now: Value { with { $0 } }
}

/// What a call threw, or nil.
func thrown(by call: () async throws -> Void) async -> (any Error)? {
    do {
        try await call()
        return nil
    } catch {
        return error
    }
}
