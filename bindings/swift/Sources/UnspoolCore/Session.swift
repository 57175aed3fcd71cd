import Foundation

/// Calls of a session whose waits end with the surrounding task.
///
/// They are those of the generated class without its `cancel` argument, and the ones to use: each throws
/// `CancellationError` as soon as the task is cancelled. A write that was begun (`setLiked`, `setInterests`, `shutdown`)
/// goes on without its caller. Every call may be made from any task, actor or thread.
extension Unspool {
    /// Opens a session. The disk is touched on a thread of its own; a cancelled opening ends what it began.
    ///
    /// - Parameters:
    ///   - config: Where the session keeps its data, for whom, and what it talks to.
    ///   - tokens: Gives bearer tokens where `config` holds none. See ``Tokens`` for one made of a closure.
    ///   - host: Supplies pages, topics and addresses instead of the backend's contract.
    /// - Returns: The session. Whatever `tokens` and `host` throw reaches the core as a `HostError`, with the name of
    ///   the thrown type at most: the words of the app's own errors may be personal.
    /// - Throws: `UnspoolError.Config`, `.InUse` or `.Storage`; `CancellationError`.
    public static func open(
        config: SessionConfig, tokens: TokenProvider? = nil, host: HostBackend? = nil
    ) async throws -> Unspool {
        let tokens = tokens.map(GuardedTokens.init)
        let host = host.map(GuardedBackend.init)
        return try await cancellable { try await open(config: config, tokens: tokens, host: host, cancel: $0) }
    }

    /// Opens a session for as long as `body` runs, and shuts it down however that ends.
    ///
    /// - Parameter within: Seconds the shutdown may take; 5 unless said otherwise.
    /// - Returns: What `body` returned.
    public static func withSession<Value: Sendable>(
        config: SessionConfig,
        tokens: TokenProvider? = nil,
        host: HostBackend? = nil,
        within: TimeInterval? = nil,
        isolation: isolated (any Actor)? = #isolation,
        _ body: (Unspool) async throws -> Value
    ) async throws -> Value {
        let session = try await open(config: config, tokens: tokens, host: host)
        do {
            let value = try await body(session)
            _ = await session.shutdown(within: within)
            return value
        } catch {
            _ = await session.shutdown(within: within)
            throw error
        }
    }

    /// The topics people can choose from.
    public func topics() async throws -> [Topic] {
        try await cancellable { try await self.topics(cancel: $0) }
    }

    /// The topics the person chose, as far as this device knows.
    public func interests() async throws -> [String] {
        try await cancellable { try await self.interests(cancel: $0) }
    }

    /// Replaces the topics the person chose, at most 64; an empty list takes the choice back. On disk when it returns,
    /// with or without a network; sent once.
    public func setInterests(topics: [String]) async throws {
        try await cancellable { try await self.setInterests(topics: topics, cancel: $0) }
    }

    /// Likes an item, or takes that back. On disk when it returns, with or without a network; sent once.
    public func setLiked(item: String, liked: Bool) async throws {
        try await cancellable { try await self.setLiked(item: item, liked: liked, cancel: $0) }
    }

    /// Whether the person likes an item, as far as this device knows: the newest wish, sent or not.
    public func liked(item: String) async throws -> Bool? {
        try await cancellable { try await self.liked(item: item, cancel: $0) }
    }

    /// A rendition as a file, when every byte of it is on the device and intact. It stays until the answer is released or
    /// gone.
    ///
    /// - Throws: `UnspoolError.NotComplete` when bytes are missing or damaged, or it is not one file.
    public func localFile(asset: String, rendition: String) async throws -> LocalFile {
        try await cancellable { try await self.localFile(asset: asset, rendition: rendition, cancel: $0) }
    }

    /// Waits for a state of what is kept for offline that is newer than `revision`.
    public func keptAfter(revision: UInt64) async throws -> KeptSnapshot {
        try await cancellable { try await self.keptAfter(revision: revision, cancel: $0) }
    }

    /// What is kept for offline, from now on. See ``KeptSnapshots``.
    public var keptSnapshots: KeptSnapshots { KeptSnapshots(session: self) }

    /// Stops fetching kept assets until they are resumed. On disk when it returns.
    public func pauseKeep(assets: [String]) async throws {
        try await cancellable { try await self.pauseKeep(assets: assets, cancel: $0) }
    }

    /// Goes on with paused assets, and tries failed ones again. On disk when it returns.
    public func resumeKeep(assets: [String]) async throws {
        try await cancellable { try await self.resumeKeep(assets: assets, cancel: $0) }
    }

    /// Keeps assets no longer. What was brought only for it is off the disk when this returns.
    ///
    /// - Returns: The bytes freed.
    @discardableResult
    public func forgetKept(assets: [String]) async throws -> UInt64 {
        try await cancellable { try await self.forgetKept(assets: assets, cancel: $0) }
    }

    /// Sends what is queued, for at most `within` seconds (5 unless said otherwise), and says what is left.
    public func flush(within: TimeInterval? = nil) async throws -> Outgoing {
        try await cancellable { try await self.flush(within: within, cancel: $0) }
    }

    /// Ends the open viewing, stops playing and closes the databases, so that the system may freeze the process. Call it
    /// before the app leaves the foreground, and wait for it.
    public func suspend() async throws {
        try await cancellable { try await self.suspend(cancel: $0) }
    }

    /// Opens the databases again and goes on playing.
    public func resume() async throws {
        try await cancellable { try await self.resume(cancel: $0) }
    }
}
