import Foundation
import Testing
import UnspoolCore

extension UnspoolTests {
    /// The scenario that every language runs: the steps of `tests/scenario.json`, in that order.
    @Test func theMainJobStepByStep() async throws {
        let scratch = try Scratch()
        let origin = try Origin(in: scratch.url)
        var steps: [String] = []

        steps.append("open")
        let session = try await Unspool.open(config: config(scratch, origin))
        #expect(session.status().outgoing.recorded == 0)
        #expect(!session.status().installation.isEmpty)

        steps.append("choose_interests")
        let chosen = try await session.topics().prefix(2).map(\.id).sorted()
        try await session.setInterests(topics: chosen)
        #expect(chosen.count == 2)
        #expect(try await session.interests().sorted() == chosen)

        steps.append("feed")
        let feed = try session.feed(kind: .forYou)
        #expect(feed.kind() == .forYou)

        steps.append("prefetch")
        try await feed.until("a card is prepared before it is asked for") {
            $0.window.contains { $0.stage == .rangeCached || $0.stage == .preRolled }
        }
        #expect(session.status().bytes.media > 0)

        steps.append("play_three")
        let events = Follower(feed)
        var played: [Card] = []
        for _ in 1...3 {
            let card = try await feed.next()
            let frame = try await events.firstFrame(card.position)
            #expect(frame.width > 0 && frame.height > 0)
            #expect(try #require(frame.luma) > 8, "a picture, not a black one")
            let state = try await feed.until("ten frames of card \(card.position), and enough for offline") {
                guard $0.current == card.position, $0.frames >= 10, let first = $0.window.first else { return false }
                return first.aheadMs + $0.playheadMs >= 3_000
            }
            #expect(state.playheadMs > 0)
            played.append(card)
        }
        #expect(Set(played.map(\.item.id)).count == 3)

        steps.append("like")
        let liked = played[1].item.id
        try await session.setLiked(item: liked, liked: true)
        #expect(try await session.liked(item: liked) == true, "a wish is readable at once")

        steps.append("go_offline")
        try await origin.network(#"{"down":true}"#)
        session.setConditions(conditions: Conditions(online: false))
        try await feed.until("the feed knows") { !$0.online }

        steps.append("replay_offline")
        for before in [played[1], played[0]] {
            let card = try await feed.previous()
            #expect(card.item.id == before.item.id)
            #expect(try await events.firstFrame(card.position).startClass != .cold, "nothing is waited for")
            try await feed.until("frames of card \(card.position)") { $0.current == card.position && $0.frames >= 3 }
        }

        steps.append("cancel_a_wait")
        let before = feed.eventsNow(after: 0)
        let wait = Task { try await feed.eventsAfter(after: .max) }
        wait.cancel()
        await #expect(throws: CancellationError.self) { try await wait.value }
        let after = feed.eventsNow(after: 0)
        #expect(after.missed == 0)
        #expect(Array(after.events.prefix(before.events.count)) == before.events, "asking again gives the same")

        steps.append("go_online")
        try await origin.network("{}")
        session.setConditions(conditions: Conditions())
        try await feed.until("the feed knows") { $0.online }

        steps.append("flush")
        let left = try await session.flush(within: patienceSeconds)
        #expect(left.queued + left.intentsQueued == 0, "\(left)")
        #expect(left.intents == left.intentsDelivered)

        steps.append("shut_down_twice")
        let report = await session.shutdown(within: patienceSeconds)
        #expect(report.clean)
        #expect(await session.shutdown(within: patienceSeconds) == report)

        steps.append("server_has_it_once")
        let out = report.outgoing
        #expect(out.recorded == 5, "five viewings: \(out)")
        #expect(out.recorded == out.delivered)
        let records = try await origin.records(of: session.status().installation)
        #expect(records.count == Int(out.recorded))
        #expect(Set(records.map(\.seq)).count == records.count)
        let wishes = try await origin.wishes(of: "ada")
        #expect(wishes.filter { $0.verb == "like" }.map(\.target) == [liked])
        #expect(wishes.filter { $0.verb == "interest" }.map(\.target).sorted() == chosen)
        #expect(try await origin.operations() == out.intents, "each intent arrived once")

        struct Agreed: Decodable { let steps: [String] }
        let file = try #require(ProcessInfo.processInfo.environment["UNSPOOL_SCENARIO"], "names tests/scenario.json")
        let agreed = try JSONDecoder().decode(Agreed.self, from: Data(contentsOf: URL(fileURLWithPath: file)))
        #expect(steps == agreed.steps, "the steps are those every language takes")
    }
}
