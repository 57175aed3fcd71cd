/// Calls of the safety filter whose waits end with the surrounding task.
extension Unspool {
    /// Replaces what the person chose of the safety filter. On disk when it returns, with or without a network, and never
    /// sent. Cards of the open feed that are hidden by it go at once, with their bytes, and are told as `Event.cardClosed`.
    ///
    /// ```swift
    /// let before = session.safety()
    /// let words = before.words + [MutedWord(value: "spoiler")]
    /// try await session.setSafety(settings: before.with(words: words))
    /// ```
    ///
    /// - Throws: `UnspoolError.Config` when a bound is broken; nothing is changed then.
    public func setSafety(settings: SafetySettings) async throws {
        try await cancellable { try await self.setSafety(settings: settings, cancel: $0) }
    }

    /// Blocks a creator, or takes that back. On disk when it returns, and what they made leaves the open feed at once; the
    /// backend is told once.
    ///
    /// - Throws: `UnspoolError.Config` for an identifier that cannot be one.
    public func setBlocked(creator: String, blocked: Bool) async throws {
        try await cancellable { try await self.setBlocked(creator: creator, blocked: blocked, cancel: $0) }
    }

    /// Takes signed safety rules that are newer than those in use. On disk when it returns; the open feed takes them in at
    /// once.
    ///
    /// - Parameter document: The JSON as it came: an object of the texts `payload` and `signature`.
    /// - Returns: Their version.
    /// - Throws: `UnspoolError.Rules`, which says why they are not taken; those in use stay then.
    @discardableResult
    public func setRules(document: String) async throws -> UInt64 {
        try await cancellable { try await self.setRules(document: document, cancel: $0) }
    }
}

extension Feed {
    /// Uncovers a card that the safety filter blurred: it is fetched from now on, and plays if it is the current one.
    ///
    /// - Returns: The card, with its still picture.
    /// - Throws: `UnspoolError.NotRevealable` where nothing is covered at the position or the person may not decide.
    @discardableResult
    public func reveal(position: UInt64) async throws -> Card {
        try await cancellable { try await self.reveal(position: position, cancel: $0) }
    }
}

extension SafetySettings {
    /// The same choices with those that are given in place of their own.
    public func with(
        age: AgeBand? = nil, adultContent: Bool? = nil, harms: [HarmChoice]? = nil, labels: [LabelChoice]? = nil,
        words: [MutedWord]? = nil, topics: [String]? = nil, sounds: [String]? = nil, creators: [String]? = nil,
        blocked: [String]? = nil
    ) -> SafetySettings {
        SafetySettings(
            age: age ?? self.age, adultContent: adultContent ?? self.adultContent, harms: harms ?? self.harms,
            labels: labels ?? self.labels, words: words ?? self.words, topics: topics ?? self.topics,
            sounds: sounds ?? self.sounds, creators: creators ?? self.creators, blocked: blocked ?? self.blocked)
    }
}
