import Foundation
import Testing
import UnspoolCore

extension UnspoolTests {
    @Test func aPanicInACallIsAnErrorAndTheSessionGoesOn() async throws {
        let scratch = try Scratch()
        let origin = try Origin(in: scratch.url)
        try await Unspool.withSession(config: config(scratch, origin)) { session in
            let here = await thrown { try session.panicHere() }
            #expect(try #require(here).localizedDescription.contains("a fault on purpose"))
            let task = await thrown { try await session.panicInTask() }
            guard case .Internal? = task as? UnspoolError else { throw Unexpected(what: "\(String(describing: task))") }
            #expect("\(try #require(task))".contains("report it"))
            #expect(try await !session.topics().isEmpty)
            try await session.setLiked(item: "item-00001", liked: true)
            #expect(try await session.flush(within: patienceSeconds).intentsQueued == 0)
        }
    }

    @Test func aPanicInTheFeedEndsThatFeedAndANewOneOpens() async throws {
        let scratch = try Scratch()
        let origin = try Origin(in: scratch.url)
        try await Unspool.withSession(config: config(scratch, origin)) { session in
            let feed = try session.feed(kind: .forYou)
            _ = try await feed.next()
            try await session.panicInFeed()
            let told = Shared<[Event]>([])
            let events = await thrown {
                try await inTime("the events end") {
                    for try await batch in feed.events() { told.with { $0 += batch.events } }
                }
            }
            let states = await thrown { try await inTime("the states end") { for try await _ in feed.snapshots {} } }
            let next = await thrown { _ = try await feed.next() }
            for error in [events, states, next] {
                guard case .Internal? = error as? UnspoolError else {
                    throw Unexpected(what: "\(String(describing: error))")
                }
            }
            guard case .coreFailed? = told.now.last else { throw Unexpected(what: "\(told.now)") }
            let again = try session.feed(kind: .forYou)
            _ = try await Follower(again).firstFrame(try await again.next().position)
        }
    }
}
