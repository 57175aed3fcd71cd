import Foundation
import Testing
import UnspoolCore

/// Players that cannot be had, as on a device whose decoders are all taken.
private final class NoPlayers: PlatformPlayers {
    let asked = Shared(0)

    func make(player: UInt64, request: PlayerRequest, reports: PlayerReports) async throws {
        asked.with { $0 += 1 }
        reports.tell(report: .waiting)
        throw URLError(.cannotLoadFromNetwork)
    }

    func play(player: UInt64) async throws {}
    func pause(player: UInt64) async throws {}
    func seek(player: UInt64, positionMs: UInt64, exact: Bool) async throws {}
    func setMuted(player: UInt64, muted: Bool) async throws {}
    func setVolume(player: UInt64, volume: Double) async throws {}
    func setRate(player: UInt64, rate: Double) async throws {}
    func release(player: UInt64) async throws {}
}

extension UnspoolTests {
    @Test func captionsFocusAndMemoryAreReachable() async throws {
        let scratch = try Scratch()
        let origin = try Origin(in: scratch.url)
        try await Unspool.withSession(config: config(scratch, origin)) { session in
            #expect(throws: UnspoolError.self) { try session.setCaptions(languages: ["no tag"]) }
            try session.setCaptions(languages: ["fr", "*"])
            let feed = try session.feed(kind: .nonProfiled)
            let card = try await feed.next()
            _ = try await Follower(feed).firstFrame(card.position)
            let shown = try await feed.until("a caption") { !$0.captions.cues.isEmpty }
            #expect(shown.captions.status == .ready)
            let captions = try #require(try await feed.captions(position: card.position))
            let chosen = try #require(captions.chosen)
            #expect(captions.tracks[Int(chosen)].language == shown.captions.language)
            #expect(captions.cues[0].text.hasSuffix(" 0"))
            #expect(try await feed.captions(position: 99_999) == nil)

            session.setSoundFocus(focus: .lostForNow)
            _ = try await feed.until("a call") { $0.interrupted && $0.paused }
            session.setSoundFocus(focus: .gained)
            _ = try await feed.until("its end") { !$0.interrupted && !$0.paused }
            try feed.setVolume(volume: 0.5)
            try feed.setRate(rate: 2)
            try feed.seekExact(positionMs: 1_500)
            _ = try await feed.until("it is there") { $0.playheadMs >= 1_600 }
            session.setMemoryPressure(pressure: .critical)
            try session.setPlayerBudget(players: 2, memoryBytes: 64_000_000)
            #expect(throws: UnspoolError.self) { try session.setPlayerBudget(players: 0, memoryBytes: 0) }
            #expect(throws: UnspoolError.self) { try session.setWindow(window: 1) }
            #expect(throws: UnspoolError.self) { try feed.setRate(rate: 9) }
        }
    }

    @Test func playersOfTheAppThatCannotBeHadFailTheCardAndNotTheSession() async throws {
        let scratch = try Scratch()
        let origin = try Origin(in: scratch.url)
        let players = NoPlayers()
        try await Unspool.withSession(config: config(scratch, origin), players: players) { session in
            let feed = try session.feed(kind: .forYou)
            let card = try await feed.next()
            try await Follower(feed).until("the card fails") { event in
                if case .cardFailed(let position, _, _) = event { return position == card.position }
                return false
            }
            #expect(players.asked.now >= 3, "a player that may come is asked for again")
            #expect(try await !session.topics().isEmpty, "the session goes on")
        }
    }
}
