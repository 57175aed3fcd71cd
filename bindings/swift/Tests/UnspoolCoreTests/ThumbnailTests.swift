import Foundation
import Testing
import UnspoolCore

extension UnspoolTests {
    /// Through the core, once, also without a network, none of what is covered, and nothing but pictures.
    @Test func aPictureComesThroughTheCoreAndStaysWithWhatIsKept() async throws {
        let scratch = try Scratch()
        let origin = try Origin(in: scratch.url)
        try await origin.label(try await origin.offered(2)[1], "nobody_knows_this")
        let kept = Shared<(item: String, other: String, picture: Thumbnail)?>(nil)
        try await Unspool.withSession(config: config(scratch, origin)) { session in
            try await session.setSafety(settings: SafetySettings(age: .adult))
            let feed = try session.feed(kind: .nonProfiled)
            let item = try await feed.next().item.id
            let picture = try #require(try await session.thumbnail(item: item))
            #expect(picture.mediaType == "image/png" && picture.data.starts(with: [0x89, 0x50, 0x4e, 0x47]))
            await #expect(throws: UnspoolError.NoSuchCard) { _ = try await session.thumbnail(item: "nobody") }
            let covered = try await feed.next().item.id
            await #expect(throws: UnspoolError.Withheld(items: [covered])) { _ = try await session.thumbnail(item: covered) }
            let ahead = try #require(try await feed.peek(count: 1).first).id
            try await origin.fault(#"{"path_prefix":"/thumbnails/","action":{"kind":"status","status":404}}"#)
            await #expect(throws: UnspoolError.Thumbnail(trouble: .refused)) { _ = try await session.thumbnail(item: ahead) }
            let later = try await session.thumbnail(item: ahead)
            #expect(later != nil, "a refusal is not kept")
            try await feed.keep(items: [item])
            try await inTime("all of it is here") {
                for try await snapshot in session.keptSnapshots where snapshot.kept.first?.state == .complete { break }
            }
            kept.with { $0 = (item, ahead, picture) }
        }
        let one = try #require(kept.now)
        try await Unspool.withSession(config: config(scratch, origin, conditions: Conditions(online: false))) { session in
            let again = try await session.thumbnail(item: one.item)
            #expect(again == one.picture)
            await #expect(throws: UnspoolError.NoSuchCard) { _ = try await session.thumbnail(item: one.other) }
            #expect(session.status().bytes.network == 0)
        }
    }
}
