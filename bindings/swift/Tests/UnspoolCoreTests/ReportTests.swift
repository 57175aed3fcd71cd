import Foundation
import Testing
import UnspoolCore

extension UnspoolTests {
    @Test func tapsWithoutANetworkAreOneReportThatIsReceivedAndDecidedAbout() async throws {
        let scratch = try Scratch()
        let origin = try Origin(in: scratch.url)
        try await Unspool.withSession(config: config(scratch, origin)) { session in
            let feed = try session.feed(kind: .nonProfiled)
            let card = try await feed.next()
            #expect(!card.item.altText.isEmpty)
            _ = try await Follower(feed).firstFrame(card.position)
            session.setConditions(conditions: Conditions(online: false))
            let report = Report(
                subject: .item(id: card.item.id), reason: .misleadingScam, scene: Scene(fromMs: 1_200, toMs: 2_700),
                words: "They want “coins” first.")
            for _ in 0..<20 { try await session.report(report) }
            let filed = try await session.reports()
            #expect(filed.count == 1 && filed[0].state == .waiting && filed[0].taps == 20)
            #expect(!filed[0].receipt.isEmpty && filed[0].report == report && filed[0].atMs > 1_600_000_000_000)
            let item = card.item.id
            try await Follower(feed).until("it goes") {
                guard case .cardClosed(_, item, let current, let safety) = $0 else { return false }
                return current && safety.reasons.map(\.source) == [.hiddenItem]
            }
            let subject = ReportSubject.item(id: "x")
            for wrong in [
                Report(subject: subject, reason: .spam, scene: Scene(fromMs: 2, toMs: 1)),
                Report(subject: subject, reason: .spam, words: String(repeating: "a", count: 301)),
                Report(subject: .creator(id: "c"), reason: .spam, scene: Scene(fromMs: 1, toMs: 2)),
                Report(subject: .comment(id: ""), reason: .spam),
            ] {
                await #expect(throws: UnspoolError.self) { try await session.report(wrong) }
            }

            session.setConditions(conditions: Conditions())
            _ = try await session.flush(within: patienceSeconds)
            try await eventually("it is received") { try await session.reports().map(\.state) == [.received] }
            let target = "item:\(card.item.id)#misleading.scam@1200-2700"
            #expect(try await origin.wishes(of: "ada").filter { $0.verb == "report" }.map(\.target) == [target])
            #expect(try await origin.reports().map(\.words) == [report.words])
            try await origin.decide("ada", target, "removed")
            #expect(try await session.refreshReports().map(\.state) == [.decided(outcome: "removed")])
            let later = try session.feed(kind: .forYou)
            _ = try await later.next()
            #expect(try await !later.peek(count: 50).contains { $0.id == card.item.id })
        }
    }

    @Test func flashingLightsAreCoveredUntilSomebodyDecides() async throws {
        let scratch = try Scratch()
        let origin = try Origin(in: scratch.url)
        let items = try await origin.offered(4)
        for flashing in items.prefix(3) { try await origin.label(flashing, "flashing") }
        try await origin.label(items[3])
        try await Unspool.withSession(config: config(scratch, origin)) { session in
            let feed = try session.feed(kind: .nonProfiled)
            let card = try await feed.next()
            #expect(card.item.id == items[0] && card.safety.covered && card.safety.revealable)
            #expect(card.safety.reasons.map(\.harm) == [.flashing] && card.item.thumbnail == nil)
            #expect(card.safety.surfaces.media.blur && !card.safety.surfaces.list.blur, "its words stay readable")
            let state = try await feed.until("it is current") { $0.current == card.position }
            #expect(state.window.first?.covered == true && state.window.first?.aheadMs == 0 && state.frames == 0)
            try await feed.reveal(position: card.position)
            _ = try await Follower(feed).firstFrame(card.position)

            func choose(_ choice: SafetyChoice) async throws {
                let harms = [HarmChoice(harm: .flashing, choice: choice)]
                try await session.setSafety(settings: session.safety().with(harms: harms))
            }
            try await choose(.show)
            try await eventually("warnings are off") { try await feed.peek(count: 1).first?.thumbnail != nil }
            let plain = try await feed.next()
            #expect(plain.item.id == items[1] && !plain.safety.covered && plain.safety.reasons.isEmpty)
            try await choose(.hide)
            try await eventually("they are skipped") { try await !feed.peek(count: 50).contains { $0.id == items[2] } }
            #expect(try await feed.next().item.id == items[3])
        }
    }
}
