/// Calls of a feed whose waits end with the surrounding task, and its states and events as sequences.
///
/// The calls are those of the generated class without its `cancel` argument; each throws `CancellationError` as soon as
/// the task is cancelled, and nothing is lost by asking again.
extension Feed {
    /// Moves to the next card, which plays at once; waits for the first page where there is no card yet. Without a
    /// network, cards that are not on the device are passed over.
    ///
    /// - Throws: `UnspoolError.EndOfFeed`, `.Offline`, `.SignIn`, `.Backend`, `.TimedOut` or `.ShutDown`; the feed then
    ///   stays where it was. A cancelled call may have moved already: the snapshot says where the feed is.
    public func next() async throws -> Card {
        try await cancellable { try await self.next(cancel: $0) }
    }

    /// Moves back to the card before. Fails and is cancelled as `next`.
    public func previous() async throws -> Card {
        try await cancellable { try await self.previous(cancel: $0) }
    }

    /// Up to `count` cards after the current one, without moving.
    public func peek(count: UInt32) async throws -> [Item] {
        try await cancellable { try await self.peek(count: count, cancel: $0) }
    }

    /// Keeps items of this feed for offline, by their identifiers. On disk when it returns; the bytes come afterwards.
    ///
    /// - Throws: `UnspoolError.NoRoom` when they do not fit on the disk, `.Config` for an item this feed does not hold;
    ///   nothing is kept then.
    @discardableResult
    public func keep(items: [String]) async throws -> KeepEstimate {
        try await cancellable { try await self.keep(items: items, cancel: $0) }
    }

    /// What keeping items of this feed takes.
    public func keepEstimate(items: [String]) async throws -> KeepEstimate {
        try await cancellable { try await self.keepEstimate(items: items, cancel: $0) }
    }

    /// The captions of the card at `position`; nil where there is no such card.
    public func captions(position: UInt64) async throws -> CardCaptions? {
        try await cancellable { try await self.captions(position: position, cancel: $0) }
    }

    /// Waits for a snapshot newer than `revision`.
    public func snapshotAfter(revision: UInt64) async throws -> FeedSnapshot {
        try await cancellable { try await self.snapshotAfter(revision: revision, cancel: $0) }
    }

    /// Waits until there is an event after number `after`, then gives those there are, at most 256.
    public func eventsAfter(after: UInt64) async throws -> EventBatch {
        try await cancellable { try await self.eventsAfter(after: after, cancel: $0) }
    }

    /// What is the case, from now on. See ``FeedSnapshots``.
    public var snapshots: FeedSnapshots { FeedSnapshots(feed: self) }

    /// What happens, in batches, after event number `after`; 0 begins with the first. See ``FeedEvents``.
    public func events(after: UInt64 = 0) -> FeedEvents { FeedEvents(feed: self, after: after) }
}
