import Foundation
import Testing
import UnspoolCore

extension UnspoolTests {
    private func share(_ item: String) -> [Attribute] {
        [
            Attribute(key: "item", value: .text(value: item)),
            Attribute(key: "target", value: .text(value: "message")),
        ]
    }

    private func gift(_ amount: UInt64) -> Order {
        Order(cause: .gift, recipient: "cleo", subject: "rose", amount: amount, priceVersion: "1")
    }

    @Test func commentsAndPaymentsArriveOnce() async throws {
        let scratch = try Scratch()
        let origin = try Origin(in: scratch.url)
        try await Unspool.withSession(config: config(scratch, origin, conditions: Conditions(online: false))) { session in
            let first = try await session.addComment(item: "item", text: "frist")
            try await session.editComment(item: "item", comment: first, text: "first")
            let answer = try await session.addComment(item: "item", text: "an answer", parent: first)
            let never = try await session.addComment(item: "item", text: "never")
            try await session.deleteComment(item: "item", comment: never)
            await #expect(throws: UnspoolError.self) { try await session.addComment(item: "item", text: " ") }
            let shown = try await session.comments(item: "item")
            #expect(shown.map(\.text) == ["first", "an answer"])
            #expect(shown.allSatisfy { $0.state == .waiting })
            let payment = try await session.draftPayment(order: gift(100))
            try await session.confirmPayment(payment: payment)
            try await session.cancelPayment(payment: try await session.draftPayment(order: gift(1)))
            // The answer to the payment is lost: it is asked about, and not sent again.
            try await origin.fault(#"{"path_prefix":"/v1/payments","action":{"kind":"reset","after_bytes":0}}"#)
            session.setConditions(conditions: Conditions())
            let state = try await inTime("the payment is decided") {
                var revision: UInt64 = 0
                while true {
                    let found = try #require(try await session.payments().first { $0.id == payment })
                    if [.confirmed, .declined, .cancelled].contains(found.state) { return found.state }
                    revision = try await session.intentsAfter(revision: revision)
                }
            }
            #expect(state == .confirmed)
            #expect(try await session.availableCoins() == 900)
            _ = try await session.flush(within: patienceSeconds)
            #expect(try await session.comments(item: "item").allSatisfy { $0.state == .sent })
            let stored = try await origin.comments(of: "ada")
            #expect(stored.map(\.id).sorted() == [first, answer].sorted())
            let paid = try await origin.payments(of: "ada")
            #expect(paid.map(\.op_id) == [payment])
            #expect(paid.first?.moved == 100)
            #expect(paid.first?.arrivals == 1)
            let lonely = try await session.addComment(item: "item", text: "to nobody", parent: "nobody")
            _ = try await session.flush(within: patienceSeconds)
            let refused = try #require(try await session.refusedComments().first)
            #expect(refused.id == lonely)
            #expect(refused.text == "to nobody")
            #expect(refused.state == .refused(reason: "parent_gone"))
            #expect(try await session.dismissComment(item: "item", comment: lonely))
            #expect(try await !session.dismissPayment(payment: payment), "it was not refused")
        }
    }

    @Test func wishesAreShownAtOnceAndWhatIsRefusedStaysInSight() async throws {
        let scratch = try Scratch()
        let origin = try Origin(in: scratch.url)
        try await Unspool.withSession(config: config(scratch, origin, conditions: Conditions(online: false))) { session in
            // Longer than the server takes an identifier.
            let tooLong = String(repeating: "x", count: 300)
            #expect(try await session.followed(creator: "cleo") == nil)
            try await session.setFollowed(creator: "cleo", followed: true)
            try await session.setSaved(item: "item", saved: true)
            try await session.setSaved(item: "item", saved: false)
            try await session.setSaved(item: tooLong, saved: true)
            #expect(try await session.followed(creator: "cleo") == true)
            #expect(try await session.saved(item: "item") == false)
            #expect(try await session.refusedIntents().isEmpty)
            session.setConditions(conditions: Conditions())
            let outgoing = try await session.flush(within: patienceSeconds)
            #expect(outgoing.intentsDelivered == 2)
            #expect(outgoing.intentsWedged == 1)
            let refused = try #require(try await session.refusedIntents().first)
            #expect(refused.verb == .save)
            #expect(refused.target == tooLong)
            #expect(refused.state)
            #expect(refused.reason == "bad_target")
            #expect(refused.atMs > 0)
            #expect(try await session.saved(item: tooLong) == nil, "what the backend has is shown")
            #expect(try await session.dismissIntent(intent: refused.id))
            #expect(try await !session.dismissIntent(intent: refused.id))
            #expect(try await session.refusedIntents().isEmpty)
        }
    }

    @Test func recordsLeaveOnceAndAreListedAndErased() async throws {
        let scratch = try Scratch()
        let origin = try Origin(in: scratch.url)
        try await Unspool.withSession(config: config(scratch, origin)) { session in
            let feed = try session.feed(kind: .forYou)
            let card = try await feed.next()
            _ = try await Follower(feed).firstFrame(card.position)
            try feed.viewer(action: .tapped(tap: .like))
            try feed.viewer(action: .left(place: .comments))
            try session.record(name: "unspool.share", attributes: share("item-1"))
            #expect(try await session.recordDurable(name: "unspool.share", attributes: share("item-2")))
            #expect(throws: UnspoolError.self) { try session.record(name: "unspool.share", attributes: []) }
            session.setPower(roaming: true, lowPower: true)
            try await session.suspend()
            #expect(try await session.recordDurable(name: "unspool.share", attributes: share("item-3")))
            try await session.resume()
            session.setPower(roaming: false, lowPower: false)
            #expect(try await session.flush(within: patienceSeconds).queued == 0)
            let installation = session.status().installation
            #expect(try await origin.records(of: installation).count >= 4, "three shares and a viewing")

            let listed = session.outboundAfter(after: 0)
            #expect(Set(listed.requests.map(\.host)) == [String(origin.url.dropFirst("http://".count))])
            let purposes = Set(listed.requests.map(\.purpose))
            #expect(purposes.isSuperset(of: [.feed, .media, .telemetry]))
            #expect(session.outboundAfter(after: listed.last).forgotten == 0)

            try await session.setConsent(purposes: [.quality])
            #expect(try await !session.recordDurable(name: "unspool.share", attributes: share("item-4")))
            try await session.eraseTelemetry()
            #expect(session.status().installation != installation)
            _ = try await session.flush(within: patienceSeconds)
            #expect(try await origin.records(of: installation).isEmpty)
        }
    }
}
