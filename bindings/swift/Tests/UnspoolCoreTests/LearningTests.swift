import Foundation
import Testing
import UnspoolCore

extension UnspoolTests {
    @Test func theLearnerCanBeReadSetExportedAndErased() async throws {
        let scratch = try Scratch()
        try await Unspool.withSession(config: offlineConfig(scratch)) { session in
            let parameters = session.mainParameters()
            #expect(parameters.count > 20)
            #expect(parameters.allSatisfy { !$0.name.isEmpty && !$0.words.isEmpty })
            #expect(parameters.first { $0.name == "version" }?.value == session.rankingVersion())
            #expect(session.learnerLost() == nil)
            #expect(session.exposure().isEmpty)
            try await session.setLearnerWeight(topic: "science", weight: 0.5)
            try await session.setLearnerWeight(topic: "football", weight: -1)
            for (topic, weight) in [(String(repeating: "x", count: 500), 0.5), ("science", .nan)] {
                await #expect(throws: UnspoolError.self) {
                    try await session.setLearnerWeight(topic: topic, weight: weight)
                }
            }
            try await session.setInterests(topics: ["science"])
        }
        try await Unspool.withSession(config: offlineConfig(scratch)) { session in
            let card = session.learnerCard()
            let settings = [TopicWeight(topic: "football", weight: -1), TopicWeight(topic: "science", weight: 0.5)]
            #expect(card.settings == settings)
            #expect(card.interests == ["science"])
            #expect(card.viewings == 0)
            #expect(try await session.exportLearner().contains("football"))
            try await session.forgetLearnedTopic(topic: "football")
            try await session.resetLearner()
            try await session.setLearnerWeight(topic: "football", weight: 0)
            #expect(session.learnerCard().settings.map(\.topic) == ["science"])
            try await session.eraseLearner()
            #expect(session.learnerCard().settings.isEmpty)
            #expect(try await !session.exportLearner().contains("science"))
        }
    }

    @Test func aCardSaysWhyAndAViewingIsLearnt() async throws {
        let scratch = try Scratch()
        let origin = try Origin(in: scratch.url)
        try await Unspool.withSession(config: config(scratch, origin)) { session in
            let feed = try session.feed(kind: .forYou)
            let card = try await feed.next()
            _ = try await Follower(feed).firstFrame(card.position)
            let why = try await feed.why(position: card.position)
            #expect(why.item == card.item.id)
            #expect(why.policy == session.rankingVersion())
            #expect(abs(why.reasons.map(\.amount).reduce(0, +) - why.difference) < 1e-9)
            await #expect(throws: UnspoolError.NoSuchCard) { _ = try await feed.why(position: 9_999) }
            await #expect(throws: UnspoolError.NoSuchCard) { try await feed.notInterested(position: 9_999) }
            try await feed.notInterested(position: card.position)
            try feed.answerLoop(choice: .keepGoing)
            _ = try await feed.next()
            try await eventually("the viewing is learnt") { session.learnerCard().viewings == 1 }
            let believed = try #require(session.learnerCard().topics.first { $0.about == card.item.topics.first })
            #expect(believed.amount < 0, "who wants nothing like it is believed")
            #expect(feed.snapshot().loopState == .normal)
            #expect(feed.snapshot().enoughOf.isEmpty)
            #expect(!session.exposure().isEmpty)
            try feed.refresh()
            try await feed.until("cards after a refresh") { $0.window.count > 1 }

            let everybody = try session.feed(kind: .nonProfiled)
            let same = try await everybody.why(position: try await everybody.next().position)
            #expect(same.reasons.isEmpty && same.against == nil)
            #expect(same.words.contains("same for everybody"))
        }
    }

    @Test func aLinkOpensItsVideoAndTheFeedGoesOnBehindIt() async throws {
        let scratch = try Scratch()
        let origin = try Origin(in: scratch.url)
        try await Unspool.withSession(config: config(scratch, origin)) { session in
            #expect(throws: UnspoolError.self) { try session.feed(kind: .forYou, first: "two words") }
            let feed = try session.feed(kind: .forYou, first: "item-00040")
            #expect(try await feed.next().item.id == "item-00040")
            #expect(try await feed.why(position: 0).words.hasPrefix("You opened"))
            #expect(try await feed.next().item.id != "item-00040")
        }
    }
}
