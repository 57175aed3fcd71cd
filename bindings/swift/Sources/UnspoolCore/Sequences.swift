/// The states of a feed: the present one at once, then only newer ones, each when it is asked for.
///
/// Nothing is buffered: whoever asks late gets the newest state and none of those in between. It ends when the feed
/// does, throws `UnspoolError.Internal` when a fault of the core ended the feed, and `CancellationError` when the task was
/// cancelled. It may be iterated any number of times, by any number of tasks at once.
public struct FeedSnapshots: AsyncSequence, Sendable {
    public typealias Element = FeedSnapshot
    let feed: Feed

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(feed: feed) }

    /// Asks for one state after the other.
    public struct AsyncIterator: AsyncIteratorProtocol {
        let feed: Feed
        var revision: UInt64?

        public mutating func next() async throws -> FeedSnapshot? {
            try Task.checkCancellation()
            let snapshot: FeedSnapshot
            if let revision {
                let feed = feed
                guard let newer = try await untilItEnds({ try await feed.snapshotAfter(revision: revision) }) else {
                    return nil
                }
                snapshot = newer
            } else {
                snapshot = feed.snapshot()
            }
            revision = snapshot.revision
            return snapshot
        }
    }
}

/// What is kept for offline: the present state at once, then only newer ones, each when it is asked for.
///
/// Nothing is buffered: whoever asks late gets the newest state and none of those in between. It ends when the session
/// does, and throws `CancellationError` when the task was cancelled. It may be iterated any number of times, by any
/// number of tasks at once.
public struct KeptSnapshots: AsyncSequence, Sendable {
    public typealias Element = KeptSnapshot
    let session: Unspool

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(session: session) }

    /// Asks for one state after the other.
    public struct AsyncIterator: AsyncIteratorProtocol {
        let session: Unspool
        var revision: UInt64?

        public mutating func next() async throws -> KeptSnapshot? {
            try Task.checkCancellation()
            let snapshot: KeptSnapshot
            if let revision {
                let session = session
                guard let newer = try await untilItEnds({ try await session.keptAfter(revision: revision) }) else {
                    return nil
                }
                snapshot = newer
            } else {
                snapshot = session.kept()
            }
            revision = snapshot.revision
            return snapshot
        }
    }
}

/// The events of a feed in batches of at most 256, oldest first, none twice.
///
/// A batch says where it ends (`last`) and how many events were dropped before it because nobody asked for them in time
/// (`missed`; the newest 2,048 are kept). A reader that keeps `last` begins there again after any cancelled wait or
/// restart and loses nothing. It ends when the feed ended and every event was given; otherwise it throws as
/// ``FeedSnapshots`` does. It may be iterated any number of times, by any number of tasks at once.
public struct FeedEvents: AsyncSequence, Sendable {
    public typealias Element = EventBatch
    let feed: Feed
    let after: UInt64

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(feed: feed, last: after) }

    /// Asks for one batch after the other.
    public struct AsyncIterator: AsyncIteratorProtocol {
        let feed: Feed
        var last: UInt64

        public mutating func next() async throws -> EventBatch? {
            let (feed, last) = (feed, last)
            guard let batch = try await untilItEnds({ try await feed.eventsAfter(after: last) }) else { return nil }
            self.last = batch.last
            return batch
        }
    }
}

extension EventBatch {
    /// The events with their numbers, which count from 1 as long as the feed is open.
    public var numbered: [(number: UInt64, event: Event)] {
        let first = last - UInt64(events.count) + 1
        return events.enumerated().map { (first + UInt64($0.offset), $0.element) }
    }
}

/// An answer, or nil when the session was shut down or the feed replaced.
func untilItEnds<Value: Sendable>(_ call: @Sendable () async throws -> Value) async throws -> Value? {
    do {
        return try await call()
    } catch UnspoolError.ShutDown {
        return nil
    }
}
