import Foundation
import Testing
import UnspoolCore
import UnspoolKit
@_exported import UnspoolTestkit

/// All tests, one after the other: they play video, and there may be two cores.
@MainActor
@Suite(.serialized, .timeLimit(.minutes(1)))
struct KitTests {}

/// A session against a server of its own.
@MainActor
struct Shell {
    let scratch: Scratch
    let origin: Origin
    let session: Unspool

    func feed(_ kind: FeedKind = .forYou) throws -> FeedModel { try FeedModel(session, kind: kind) }
}

@MainActor
func shell(
    _ conditions: Conditions? = nil, players: PlatformPlayers? = nil, _ body: @MainActor (Shell) async throws -> Void
) async throws {
    let scratch = try Scratch()
    let origin = try Origin(in: scratch.url)
    let config = config(scratch, origin, conditions: conditions)
    try await Unspool.withSession(config: config, players: players) { session in
        try await body(Shell(scratch: scratch, origin: origin, session: session))
    }
}

extension Model {
    /// Waits until the screen shows what is wanted, and gives that.
    @discardableResult
    func until(_ what: String, _ wanted: (State) -> Bool) async throws -> State {
        let end = ContinuousClock.now + patience
        while !wanted(state) {
            guard ContinuousClock.now < end else { throw Unexpected(what: "not in time: \(what); the screen shows \(state)") }
            try await Task.sleep(for: .milliseconds(5))
        }
        return state
    }
}
