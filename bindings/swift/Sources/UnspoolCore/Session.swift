import Foundation

/// Calls of a session whose waits end with the surrounding task.
///
/// They are those of the generated class without its `cancel` argument, and the ones to use: each throws
/// `CancellationError` as soon as the task is cancelled. A write that was begun (`setLiked`, `addComment`, `shutdown`)
/// goes on without its caller. Every call may be made from any task, actor or thread.
extension Unspool {
    /// Opens a session. The disk is touched on a thread of its own; a cancelled opening ends what it began.
    ///
    /// - Parameters:
    ///   - config: Where the session keeps its data, for whom, and what it talks to.
    ///   - tokens: Gives bearer tokens where `config` holds none. See ``Tokens`` for one made of a closure.
    ///   - host: Supplies pages, topics and addresses instead of the backend's contract.
    ///   - players: Play instead of the core's own players.
    /// - Returns: The session. Whatever `tokens`, `host` and `players` throw reaches the core as a `HostError`, with the name of
    ///   the thrown type at most: the words of the app's own errors may be personal.
    /// - Throws: `UnspoolError.Config`, `.InUse` or `.Storage`; `CancellationError`.
    public static func open(
        config: SessionConfig, tokens: TokenProvider? = nil, host: HostBackend? = nil, players: PlatformPlayers? = nil
    ) async throws -> Unspool {
        let tokens = tokens.map(GuardedTokens.init)
        let host = host.map(GuardedBackend.init)
        let players = players.map(GuardedPlayers.init)
        return try await cancellable {
            try await open(config: config, tokens: tokens, host: host, players: players, cancel: $0)
        }
    }

    /// Opens a session for as long as `body` runs, and shuts it down however that ends.
    ///
    /// - Parameter within: Seconds the shutdown may take; 5 unless said otherwise.
    /// - Returns: What `body` returned.
    public static func withSession<Value: Sendable>(
        config: SessionConfig,
        tokens: TokenProvider? = nil,
        host: HostBackend? = nil,
        players: PlatformPlayers? = nil,
        within: TimeInterval? = nil,
        isolation: isolated (any Actor)? = #isolation,
        _ body: (Unspool) async throws -> Value
    ) async throws -> Value {
        let session = try await open(config: config, tokens: tokens, host: host, players: players)
        do {
            let value = try await body(session)
            _ = await session.shutdown(within: within)
            return value
        } catch {
            _ = await session.shutdown(within: within)
            throw error
        }
    }

    /// The still picture of an item, to be shown until its first frame is there: of a card of the open feed, or of what is kept
    /// for offline. From the cache where it is there, also without a network; use it in place of the address in the item.
    ///
    /// - Returns: `nil` for an item that has none.
    /// - Throws: `UnspoolError.Withheld` while the safety filter hides or covers the item, `.NoSuchCard`, `.Offline`, `.Thumbnail`,
    ///   `.HostRefused`, `.TimedOut`, `.Storage` or `.ShutDown`; `CancellationError`.
    public func thumbnail(item: String) async throws -> Thumbnail? {
        try await cancellable { try await self.thumbnail(item: item, cancel: $0) }
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

    /// Follows a creator, or takes that back. On disk when it returns, with or without a network; sent once.
    public func setFollowed(creator: String, followed: Bool) async throws {
        try await cancellable { try await self.setFollowed(creator: creator, followed: followed, cancel: $0) }
    }

    /// Whether the person follows a creator, as far as this device knows: the newest wish, sent or not.
    public func followed(creator: String) async throws -> Bool? {
        try await cancellable { try await self.followed(creator: creator, cancel: $0) }
    }

    /// Saves an item for later, or takes that back. On disk when it returns, with or without a network; sent once.
    public func setSaved(item: String, saved: Bool) async throws {
        try await cancellable { try await self.setSaved(item: item, saved: saved, cancel: $0) }
    }

    /// Whether the person saved an item, as far as this device knows: the newest wish, sent or not.
    public func saved(item: String) async throws -> Bool? {
        try await cancellable { try await self.saved(item: item, cancel: $0) }
    }

    /// What the person wanted to be so and the backend refused for good, oldest first.
    public func refusedIntents() async throws -> [RefusedIntent] {
        try await cancellable { try await self.refusedIntents(cancel: $0) }
    }

    /// Forgets a refused intent, once the app has dealt with it; `false` when there is none of that identity.
    @discardableResult
    public func dismissIntent(intent: String) async throws -> Bool {
        try await cancellable { try await self.dismissIntent(intent: intent, cancel: $0) }
    }

    /// Records something the person did that the core cannot see, and is on disk when it returns.
    ///
    /// - Returns: `false` when the person did not agree to it, and nothing was recorded.
    @discardableResult
    public func recordDurable(name: String, attributes: [Attribute]) async throws -> Bool {
        try await cancellable { try await self.recordDurable(name: name, attributes: attributes, cancel: $0) }
    }

    /// The person agreed to these purposes and to no other. What was recorded for others and not sent is deleted.
    public func setConsent(purposes: [Purpose]) async throws {
        try await cancellable { try await self.setConsent(purposes: purposes, cancel: $0) }
    }

    /// Deletes all telemetry of this device that was not sent, and asks the backend to delete what it was sent from here.
    public func eraseTelemetry() async throws {
        try await cancellable { try await self.eraseTelemetry(cancel: $0) }
    }

    /// Comments on an item, in answer to `parent` where one is given. On disk when it returns; sent once, in order.
    ///
    /// - Returns: The comment's identity.
    @discardableResult
    public func addComment(item: String, text: String, parent: String? = nil) async throws -> String {
        try await cancellable { try await self.addComment(item: item, text: text, parent: parent, cancel: $0) }
    }

    /// Gives a comment of the person other words. The words of a refused one are tried again.
    public func editComment(item: String, comment: String, text: String) async throws {
        try await cancellable { try await self.editComment(item: item, comment: comment, text: text, cancel: $0) }
    }

    /// Takes a comment of the person away. One that was not sent yet is never sent.
    public func deleteComment(item: String, comment: String) async throws {
        try await cancellable { try await self.deleteComment(item: item, comment: comment, cancel: $0) }
    }

    /// The person's comments under an item that this device knows of, oldest first, with the words wanted last.
    public func comments(item: String) async throws -> [Comment] {
        try await cancellable { try await self.comments(item: item, cancel: $0) }
    }

    /// The person's comments that the backend refused, or a change of which it did.
    public func refusedComments() async throws -> [Comment] {
        try await cancellable { try await self.refusedComments(cancel: $0) }
    }

    /// Forgets what was refused of a comment; `false` when nothing was.
    @discardableResult
    public func dismissComment(item: String, comment: String) async throws -> Bool {
        try await cancellable { try await self.dismissComment(item: item, comment: comment, cancel: $0) }
    }

    /// Takes down what the person is about to pay. Nothing is sent before ``confirmPayment(payment:)``.
    ///
    /// - Returns: The payment's identity.
    public func draftPayment(order: Order) async throws -> String {
        try await cancellable { try await self.draftPayment(order: order, cancel: $0) }
    }

    /// The person confirmed it: its amount is held, and it is sent once, soon.
    public func confirmPayment(payment: String) async throws {
        try await cancellable { try await self.confirmPayment(payment: payment, cancel: $0) }
    }

    /// The person took it back, before it was sent.
    public func cancelPayment(payment: String) async throws {
        try await cancellable { try await self.cancelPayment(payment: payment, cancel: $0) }
    }

    /// The person's payments, newest first.
    public func payments() async throws -> [Payment] {
        try await cancellable { try await self.payments(cancel: $0) }
    }

    /// Coins the person can still give, as far as the backend has said.
    public func availableCoins() async throws -> Int64? {
        try await cancellable { try await self.availableCoins(cancel: $0) }
    }

    /// Forgets a refused payment; `false` when there is none of that identity.
    @discardableResult
    public func dismissPayment(payment: String) async throws -> Bool {
        try await cancellable { try await self.dismissPayment(payment: payment, cancel: $0) }
    }

    /// Waits until something about likes, comments or payments may have changed since `revision`, from 0 on.
    ///
    /// - Returns: The number to wait for next.
    public func intentsAfter(revision: UInt64) async throws -> UInt64 {
        try await cancellable { try await self.intentsAfter(revision: revision, cancel: $0) }
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
