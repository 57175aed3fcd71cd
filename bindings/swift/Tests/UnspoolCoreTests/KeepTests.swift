import Foundation
import Testing
import UnspoolCore

extension UnspoolTests {
    @Test func whatIsKeptPlaysWithoutANetworkAndIsAFile() async throws {
        let scratch = try Scratch()
        let origin = try Origin(in: scratch.url)
        let kept = Shared<KeptAsset?>(nil)
        try await Unspool.withSession(config: config(scratch, origin)) { session in
            let feed = try session.feed(kind: .forYou)
            let card = try await feed.next()
            let estimate = try await feed.keepEstimate(items: [card.item.id])
            #expect(estimate.fits)
            #expect(estimate.assets == 1)
            try await feed.keep(items: [card.item.id])
            try await inTime("all of it is here") {
                for try await snapshot in session.keptSnapshots {
                    guard let one = snapshot.kept.first else { continue }
                    kept.with { $0 = one }
                    if one.state == .complete { break }
                }
            }
            let one = try #require(kept.now)
            #expect(one.heldBytes == one.totalBytes)
            #expect(session.status().byPurpose.offline.network > 0)
            #expect(try session.gatewayUrl(asset: one.item.assetId, rendition: one.rendition).hasPrefix("http://127.0.0.1:"))
            let file = try await session.localFile(asset: one.item.assetId, rendition: one.rendition)
            #expect(try Data(contentsOf: URL(fileURLWithPath: file.path())).count == Int(one.totalBytes))
            file.release()
            await #expect(throws: UnspoolError.self) {
                _ = try await session.localFile(asset: one.item.assetId, rendition: "no")
            }
        }
        try await Unspool.withSession(config: config(scratch, origin, conditions: Conditions(online: false))) { session in
            let feed = try session.feed(kind: .kept)
            let card = try await feed.next()
            let one = try #require(kept.now)
            #expect(card.item.id == one.item.id)
            _ = try await Follower(feed).firstFrame(card.position)
            #expect(session.status().bytes.network == 0)
            try await session.pauseKeep(assets: [one.item.assetId])
            #expect(session.kept().kept.first?.state == .complete, "there is nothing to pause")
            try await session.resumeKeep(assets: [one.item.assetId])
            #expect(try await session.forgetKept(assets: [one.item.assetId]) > 0)
            #expect(session.kept().kept.isEmpty)
        }
    }
}
