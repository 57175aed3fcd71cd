/// Calls about what decides a feed whose waits end with the surrounding task.
extension Unspool {
    /// Sets what a topic counts by the person's own hand, from -1, as little as possible, to 1; 0 takes that back. On disk
    /// when it returns; what may still move in the open feed moves. It is never sent.
    ///
    /// - Throws: `UnspoolError.Config` for no number, for a topic that cannot be one and for more than 100 topics.
    public func setLearnerWeight(topic: String, weight: Double) async throws {
        try await cancellable { try await self.setLearnerWeight(topic: topic, weight: weight, cancel: $0) }
    }

    /// Forgets what was learnt about one topic. On disk when it returns.
    public func forgetLearnedTopic(topic: String) async throws {
        try await cancellable { try await self.forgetLearnedTopic(topic: topic, cancel: $0) }
    }

    /// Forgets every viewing that was learnt; interests and what was set by hand stay. On disk when it returns.
    public func resetLearner() async throws {
        try await cancellable { try await self.resetLearner(cancel: $0) }
    }

    /// Everything that is kept of what was learnt, as JSON, for the person to take along.
    public func exportLearner() async throws -> String {
        try await cancellable { try await self.exportLearner(cancel: $0) }
    }

    /// Forgets all that was learnt, set by hand and counted, here and on the disk. Interests go with ``setInterests(topics:)``.
    public func eraseLearner() async throws {
        try await cancellable { try await self.eraseLearner(cancel: $0) }
    }
}

extension Feed {
    /// Why the card at a position stands there, compared with the best that could have been shown instead.
    ///
    /// - Throws: `UnspoolError.NoSuchCard` where the feed holds none.
    public func why(position: UInt64) async throws -> Why {
        try await cancellable { try await self.why(position: position, cancel: $0) }
    }

    /// Says that the person wants nothing like the card at a position. Taken in when it returns: the first card that may still
    /// move is chosen by it. The card itself stays; moving on is the app's part.
    ///
    /// - Throws: `UnspoolError.NoSuchCard` where the feed holds none.
    public func notInterested(position: UInt64) async throws {
        try await cancellable { try await self.notInterested(position: position, cancel: $0) }
    }
}
