import Foundation
import Testing
import UnspoolCore

/// An account as an app would keep it: an actor that numbers its tokens.
private actor Account: TokenProvider {
    private(set) var asked: [String?] = []
    private var serial = 1
    private var signedOut: Bool

    init(signedOut: Bool = false) { self.signedOut = signedOut }

    func token(rejected: String?) async throws -> String {
        asked.append(rejected)
        if signedOut { throw HostError.SignIn }
        if rejected != nil { serial += 1 }
        return "ada.\(serial)"
    }

    func signIn() { signedOut = false }
}

extension UnspoolTests {
    @Test func aRefusedTokenIsRefreshedOnceAndTheCallSucceeds() async throws {
        let scratch = try Scratch()
        let origin = try Origin(in: scratch.url)
        let account = Account()
        try await Unspool.withSession(config: config(scratch, origin, token: nil), tokens: account) { session in
            try await session.setLiked(item: "item-00001", liked: true)
            #expect(try await session.flush(within: patienceSeconds).intentsQueued == 0)
            #expect(await account.asked == [nil])
            try await origin.revoke("ada.1")
            try await session.setLiked(item: "item-00002", liked: true)
            _ = try await session.feed(kind: .forYou).next()
            try await eventually("the second like arrives") {
                try await session.flush(within: patienceSeconds).intentsQueued == 0
            }
            #expect(await account.asked == [nil, "ada.1"])
            #expect(try await origin.wishes(of: "ada").count == 2)
        }
    }

    @Test func aPersonWhoIsSignedOutIsToldSoAndWhatWaitedGoesOn() async throws {
        let scratch = try Scratch()
        let origin = try Origin(in: scratch.url)
        let account = Account(signedOut: true)
        try await Unspool.withSession(config: config(scratch, origin, token: nil), tokens: account) { session in
            try await session.setLiked(item: "item-00003", liked: true)
            let feed = try session.feed(kind: .forYou)
            await #expect(throws: UnspoolError.SignIn) { try await feed.next() }
            #expect(try await session.liked(item: "item-00003") == true, "what was wished is kept")
            await account.signIn()
            session.signedIn()
            try await eventually("the like arrives") {
                try await session.flush(within: patienceSeconds).intentsQueued == 0
            }
            #expect(try await origin.wishes(of: "ada").map(\.target) == ["item-00003"])
            try feed.retry()
            try await eventually("the feed goes on") { await thrown { _ = try await feed.next() } == nil }
        }
    }

    @Test func aProviderMadeOfAClosureMayFailAndIsAskedAgain() async throws {
        struct Own: Error {}
        let scratch = try Scratch()
        let origin = try Origin(in: scratch.url)
        let turn = Shared(0)
        let tokens = Tokens { _ in
            if turn.with({ $0 += 1; return $0 }) == 1 { throw Own() }
            return "ada.1"
        }
        try await Unspool.withSession(config: config(scratch, origin, token: nil), tokens: tokens) { session in
            try await session.setLiked(item: "item-00004", liked: true)
            try await eventually("the like arrives") {
                let left = Shared<UInt64>(1)
                _ = await thrown {
                    let queued = try await session.flush(within: patienceSeconds).intentsQueued
                    left.with { $0 = queued }
                }
                return left.now == 0
            }
            #expect(turn.now >= 2)
        }
    }

    @Test func theConfigurationPrintedShowsNeitherTokenNorAccount() throws {
        let config = SessionConfig(
            dataDir: "core", account: "account-of-ada", backend: "http://localhost", token: "secret")
        for printed in ["\(config)", String(reflecting: config)] {
            #expect(printed.contains("localhost"))
            #expect(!printed.contains("secret") && !printed.contains("account-of-ada"))
        }
    }
}
