import Foundation
#if canImport(FoundationNetworking)
import FoundationNetworking
#endif
import Testing
import UnspoolCore
@testable import UnspoolGuide

extension UnspoolTests {
    /// The program of docs/guides/ios.md without its screens.
    @MainActor
    @Test func theGuidesAppPlaysAFeedKeepsFiltersSendsAndEnds() async throws {
        let scratch = try Scratch()
        let origin = try Origin(in: scratch.url)
        let asked = Shared<[String?]>([])
        let session = try await openSession(directory: scratch.path("core"), backend: origin.url) { rejected in
            asked.with { $0.append(rejected) }
            return "ada"
        }
        try await onboard(session, age: .adult) { topics in topics.prefix(2).map(\.id) }
        #expect(try await session.interests().count == 2)
        #expect(session.safety().age == .adult)
        #expect(asked.now == [nil])

        let model = try FeedModel(session)
        let following = Task { try await model.follow() }
        guard case .shows(let first) = try await model.swipeUp() else { throw Unexpected(what: "no card") }
        try await model.feed.until("it plays") { $0.current == first.position && $0.frames >= 5 }
        try await eventually("the model follows") { await model.state.frames >= 5 }
        try await model.like(true)
        guard case .shows(let second) = try await model.swipeUp() else { throw Unexpected(what: "no second card") }
        #expect(try await model.swipeDown() == .shows(first))
        #expect(model.card == first)

        #expect(try await keep(first, of: model.feed) == nil)
        let kept = try await inTime("it is complete") { try await playableOffline(session, count: 1) }
        #expect(kept.map(\.item.id) == [first.item.id])

        try await hideSpoilersAndScams(session)
        #expect(session.safety().words == [MutedWord(value: "spoiler")])
        #expect(session.safety().harms == [HarmChoice(harm: .scam, choice: .hide)])
        if second.item.creator.id != first.item.creator.id { try await block(session, the: second) }

        #expect(try await session.flush(within: patienceSeconds).intentsQueued == 0)
        #expect(try await leaveTheForeground(session), "all of it arrived")
        try await session.resume()
        #expect(try await origin.wishes(of: "ada").filter { $0.verb == "like" }.map(\.target) == [first.item.id])

        try await origin.network(#"{"down":true}"#)
        session.setConditions(conditions: Conditions(online: false))
        var swipe = try await model.swipeUp()
        while case .shows = swipe { swipe = try await model.swipeUp() }
        #expect(swipe == .noNetwork)
        following.cancel()
        _ = await following.result
        #expect(await signOut(session))
    }

    /// The lines of docs/inspector.md.
    @Test func theLinesOfTheInspectorsPageServeIt() async throws {
        let scratch = try Scratch()
        let origin = try Origin(in: scratch.url)
        let config = SessionConfig(dataDir: scratch.path("core"), account: "ada", backend: origin.url, token: "ada")
        try await Unspool.withSession(config: config) { session in
            let inspector = try inspect(session, port: 0)
            let (page, _) = try await URLSession.shared.data(from: try #require(URL(string: inspector.url())))
            #expect(String(decoding: page, as: UTF8.self).contains("<html"))
            await inspector.stop()
        }
    }
}
