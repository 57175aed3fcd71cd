import Foundation

/// A token provider made of a closure.
///
/// ```swift
/// let tokens = Tokens { rejected in try await account.token(refreshing: rejected) }
/// let session = try await Unspool.open(config: config, tokens: tokens)
/// ```
///
/// The closure is called once when the first token is needed and once for each token the backend refused, never twice at
/// a time, in a task that is cancelled when the session's request time-out is over. `HostError.SignIn` means that the
/// person must act; any other error is tried again later.
public final class Tokens: TokenProvider {
    private let give: @Sendable (_ rejected: String?) async throws -> String

    /// - Parameter give: Gives a token to send; another than the one the backend has just refused.
    public init(_ give: @escaping @Sendable (_ rejected: String?) async throws -> String) {
        self.give = give
    }

    public func token(rejected: String?) async throws -> String {
        try await give(rejected)
    }
}

extension HostError {
    /// What an error of the app's own code means to the core, without the error's words.
    ///
    /// Errors of `URLSession` are those of a network; an unknown one is told by the name of its type.
    public init(_ error: any Error) {
        switch error {
        case let error as HostError:
            self = error
        case is CancellationError:
            self = .Network(reason: "cancelled")
        case let error as NSError where error.domain == "NSURLErrorDomain":
            self = .Network(reason: "URL loading, code \(error.code)")
        default:
            self = .Unexpected(reason: String(describing: type(of: error)))
        }
    }
}

/// Turns everything that is thrown into a `HostError`.
private func guarded<Value>(_ call: () async throws -> Value) async throws -> Value {
    do {
        return try await call()
    } catch {
        throw HostError(error)
    }
}

/// A provider whose errors are all known to the core.
final class GuardedTokens: TokenProvider {
    private let app: TokenProvider

    init(_ app: TokenProvider) { self.app = app }

    func token(rejected: String?) async throws -> String {
        try await guarded { try await app.token(rejected: rejected) }
    }
}

/// A backend whose errors are all known to the core.
final class GuardedBackend: HostBackend {
    private let app: HostBackend

    init(_ app: HostBackend) { self.app = app }

    func page(request: PageRequest) async throws -> HostPage {
        try await guarded { try await app.page(request: request) }
    }

    func topics() async throws -> [Topic] {
        try await guarded { try await app.topics() }
    }

    func labels(items: [String]) async throws -> [LabelUpdate] {
        try await guarded { try await app.labels(items: items) }
    }

    func rules(held: UInt64) async throws -> String? {
        try await guarded { try await app.rules(held: held) }
    }

    func locate(asset: String, rendition: String) async throws -> Location {
        try await guarded { try await app.locate(asset: asset, rendition: rendition) }
    }
}

/// Players whose errors are all known to the core.
final class GuardedPlayers: PlatformPlayers {
    private let app: PlatformPlayers

    init(_ app: PlatformPlayers) { self.app = app }

    func make(player: UInt64, request: PlayerRequest, reports: PlayerReports) async throws {
        try await guarded { try await app.make(player: player, request: request, reports: reports) }
    }

    func play(player: UInt64) async throws {
        try await guarded { try await app.play(player: player) }
    }

    func pause(player: UInt64) async throws {
        try await guarded { try await app.pause(player: player) }
    }

    func seek(player: UInt64, positionMs: UInt64, exact: Bool) async throws {
        try await guarded { try await app.seek(player: player, positionMs: positionMs, exact: exact) }
    }

    func setMuted(player: UInt64, muted: Bool) async throws {
        try await guarded { try await app.setMuted(player: player, muted: muted) }
    }

    func setVolume(player: UInt64, volume: Double) async throws {
        try await guarded { try await app.setVolume(player: player, volume: volume) }
    }

    func setRate(player: UInt64, rate: Double) async throws {
        try await guarded { try await app.setRate(player: player, rate: rate) }
    }

    func release(player: UInt64) async throws {
        try await guarded { try await app.release(player: player) }
    }
}
