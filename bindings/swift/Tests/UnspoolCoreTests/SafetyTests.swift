import Foundation
import Testing
import UnspoolCore

/// A document as `tests/rules.json` and servers hold it.
struct Signed: Codable {
    let payload, signature: String

    func document() throws -> String { String(decoding: try JSONEncoder().encode(self), as: UTF8.self) }
}

/// Signed safety rules, and the key that signed those which are not forged.
struct SharedRules: Decodable {
    let key: String
    let first, second, forged: Signed

    static func load() throws -> SharedRules {
        let scenario = try #require(ProcessInfo.processInfo.environment["UNSPOOL_SCENARIO"], "names tests/scenario.json")
        let file = URL(fileURLWithPath: scenario).deletingLastPathComponent().appendingPathComponent("rules.json")
        return try JSONDecoder().decode(SharedRules.self, from: Data(contentsOf: file))
    }
}

extension Follower {
    /// Waits until an item is closed; gives whether it was on the screen, and what the filter says.
    fileprivate func closed(_ item: String) async throws -> (current: Bool, safety: CardSafety) {
        var found: (current: Bool, safety: CardSafety)?
        try await until("\(item) is closed") {
            if case .cardClosed(_, item, let current, let safety) = $0 { found = (current, safety) }
            return found != nil
        }
        return try #require(found)
    }
}

extension Feed {
    /// What is ahead, as far as it is known.
    fileprivate func ids() async throws -> [String] { try await peek(count: 50).map(\.id) }
}

private let grownUp = SafetySettings(age: .adult)

extension UnspoolTests {
    @Test func aHiddenItemNeverAppearsAndACoveredOneSaysWhyAndIsRevealed() async throws {
        let scratch = try Scratch()
        let origin = try Origin(in: scratch.url)
        let items = try await origin.offered(8)
        for plain in [0, 5] { try await origin.label(items[plain]) }
        try await origin.label(items[1], "scam")
        try await origin.label(items[2], "nobody_knows_this")
        try await origin.label(items[3], "misinformation")
        try await origin.label(items[4], "porn")
        try await Unspool.withSession(config: config(scratch, origin)) { session in
            try await session.setSafety(settings: grownUp)
            let feed = try session.feed(kind: .nonProfiled)
            let events = Follower(feed)
            let plain = try await feed.next()
            #expect(plain.item.id == items[0] && plain.item.thumbnail != nil)
            #expect(!plain.safety.covered && !plain.safety.hidden && plain.safety.reasons.isEmpty)
            let ahead = try await feed.ids()
            #expect(Array(ahead.prefix(3)) == [items[2], items[3], items[5]])
            #expect(!ahead.contains(items[1]) && !ahead.contains(items[4]))

            let covered = try await feed.next()
            #expect(covered.item.id == items[2], "the scam is passed over")
            #expect(covered.safety.covered && covered.safety.revealable && covered.item.thumbnail == nil)
            let reason = SafetyReason(
                source: .unknownLabel(of: .item), name: "nobody_knows_this", harm: nil, weight: .blur, overridable: true)
            #expect(covered.safety.reasons == [reason])
            #expect(covered.safety.surfaces.list.blur && !covered.safety.surfaces.list.filter)
            let state = try await feed.until("it is current") { $0.current == covered.position }
            #expect(state.window.first?.covered == true && state.frames == 0 && state.hidden == 2)
            let shown = try await feed.reveal(position: covered.position)
            #expect(!shown.safety.covered && shown.item.thumbnail != nil)
            #expect(shown.safety.reasons == [reason], "the reason stays readable")
            _ = try await events.firstFrame(shown.position)

            let marked = try await feed.next()
            #expect(marked.item.id == items[3] && !marked.safety.covered)
            #expect(marked.safety.noAmplification && marked.safety.surfaces.list.alert)
            #expect(marked.safety.reasons.map(\.harm) == [.conspiracy])
            #expect(marked.safety.reasons.map(\.weight) == [.mark])
            await #expect(throws: UnspoolError.NotRevealable) { try await feed.reveal(position: marked.position) }
            #expect(try await feed.next().item.id == items[5], "an adult who did not ask for it does not see it")
        }
    }

    @Test func aLateLabelAndABlockedCreatorTakeCardsAway() async throws {
        let scratch = try Scratch()
        let origin = try Origin(in: scratch.url)
        let items = try await origin.offered(2)
        try await Unspool.withSession(config: config(scratch, origin)) { session in
            try await session.setSafety(settings: grownUp)
            let feed = try session.feed(kind: .nonProfiled)
            let events = Follower(feed)
            let first = try await feed.next()
            try await origin.label(items[1], "fraud")
            try feed.refreshLabels()
            let late = try await events.closed(items[1])
            #expect(!late.current && late.safety.hidden && !late.safety.revealable)
            #expect(late.safety.reasons.map(\.name) == ["fraud"])
            #expect(late.safety.reasons.map(\.harm) == [.scam])
            #expect(try await !feed.ids().contains(items[1]))

            let ahead = try await feed.peek(count: 50)
            let creator = try #require(ahead.map(\.creator.id).first { $0 != first.item.creator.id })
            let theirs = ahead.filter { $0.creator.id == creator }.map(\.id)
            try await session.setBlocked(creator: creator, blocked: true)
            #expect(try await events.closed(theirs[0]).safety.reasons.map(\.source) == [.blocked])
            #expect(try await Set(feed.ids()).isDisjoint(with: theirs))
            #expect(session.safety().blocked == [creator])
            _ = try await session.flush(within: patienceSeconds)
            #expect(try await origin.wishes(of: "ada").filter { $0.verb == "block" }.map(\.target) == [creator])
            try await session.setBlocked(creator: creator, blocked: false)
            #expect(session.safety().blocked.isEmpty)
            try await session.setBlocked(creator: first.item.creator.id, blocked: true)
            #expect(try await events.closed(first.item.id).current, "the one on the screen goes too")
        }
    }

    @Test func whatWasChosenStaysAndWhatCannotBeChangesNothing() async throws {
        let scratch = try Scratch()
        let chosen = SafetySettings(
            age: .teen, adultContent: true,
            harms: [HarmChoice(harm: .scam, choice: .show), HarmChoice(harm: .propaganda, choice: .hide)],
            labels: [LabelChoice(label: "nudity", choice: .warn)],
            words: [
                MutedWord(value: "spoiler"),
                MutedWord(value: "quiz", tagsOnly: true, exceptFollowed: true, expiresAtMs: 1 << 41),
            ],
            topics: ["science"], sounds: ["sound-1"], creators: ["cleo"], blocked: ["bob"])
        try await Unspool.withSession(config: offlineConfig(scratch)) { session in
            #expect(session.safety() == SafetySettings(age: .unknown))
            try await session.setSafety(settings: chosen)
            let nothing = session.safety().with(words: [MutedWord(value: " ")])
            await #expect(throws: UnspoolError.self) { try await session.setSafety(settings: nothing) }
            let older = session.safety().with(age: .adult)
            await #expect(throws: UnspoolError.Guarded(isSet: false)) { try await session.setSafety(settings: older) }
            await #expect(throws: UnspoolError.self) { try await session.setBlocked(creator: "", blocked: true) }
            #expect(session.safety() == chosen)
            #expect(session.safety().with() == chosen)
        }
        try await Unspool.withSession(config: offlineConfig(scratch)) { session in
            #expect(session.safety() == chosen)
        }
    }

    @Test func rulesHoldAtOnceAndForgedOrOlderOnesAreRefused() async throws {
        let scratch = try Scratch()
        let origin = try Origin(in: scratch.url)
        let shared = try SharedRules.load()
        let items = try await origin.offered(3)
        try await origin.label(items[0])
        try await origin.label(items[1], "paid_promotion")
        try await origin.label(items[2])
        let trusting = config(scratch, origin, safetyKeys: [shared.key])
        try await Unspool.withSession(config: trusting) { session in
            try await session.setSafety(settings: grownUp)
            let feed = try session.feed(kind: .nonProfiled)
            _ = try await feed.next()
            #expect(try await feed.ids().first == items[1])
            #expect(session.rulesVersion() == 0)
            let second = try shared.second.document()
            #expect(try await session.setRules(document: second) == 2)
            _ = try await Follower(feed).closed(items[1])
            #expect(try await feed.next().item.id == items[2])

            let changed = second.replacingOccurrences(of: "hide", with: "show")
            for (document, trouble) in [
                (try shared.first.document(), RulesTrouble.older(held: 2, offered: 1)),
                (try shared.forged.document(), .signature), (changed, .signature),
            ] {
                await #expect(throws: UnspoolError.Rules(trouble: trouble)) {
                    try await session.setRules(document: document)
                }
            }
            await #expect { try await session.setRules(document: "{}") } throws: {
                guard case .Rules(.malformed) = $0 as? UnspoolError else { return false }
                return "\($0)".contains("those in use stay")
            }
            #expect(session.rulesVersion() == 2)
        }
    }
}
