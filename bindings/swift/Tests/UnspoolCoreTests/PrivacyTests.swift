import Foundation
import Testing
import UnspoolCore

extension UnspoolTests {
    @Test func whatIsHeldIsExportedAndErased() async throws {
        let scratch = try Scratch()
        let file = scratch.url.appendingPathComponent("export.json")
        let session = try await Unspool.open(config: offlineConfig(scratch))
        try await session.setLiked(item: "a-liked-item", liked: true)
        try await session.setInterests(topics: ["science"])
        let export = session.exportData(path: file.path)
        let written = try await export.run()
        #expect(written == export.progress())
        let text = try String(contentsOf: file, encoding: .utf8)
        #expect(text.utf8.count == Int(written.bytes))
        #expect(text.contains("a-liked-item") && text.contains("science"))
        await #expect(throws: UnspoolError.self) { try await session.erase(scopes: []) }
        try await session.erase(scopes: [.history, .deeds])
        await #expect(throws: UnspoolError.ShutDown) { try await session.setLiked(item: "i", liked: true) }
        try await Unspool.withSession(config: offlineConfig(scratch)) { session in
            #expect(try await session.liked(item: "a-liked-item") == nil)
            #expect(try await session.interests().isEmpty)
        }
    }

    @Test func mediaComeFromListedHostsOnly() async throws {
        let scratch = try Scratch()
        let origin = try Origin(in: scratch.url)
        var elsewhere = config(scratch, origin)
        elsewhere.mediaHosts = ["https://cdn.example"]
        try await Unspool.withSession(config: elsewhere) { session in
            let listed = session.outboundAfter(after: 0)
            #expect(listed.requests.isEmpty)
        }
        elsewhere.mediaHosts = ["cdn.example"]
        let wrong = elsewhere
        await #expect(throws: UnspoolError.self) { _ = try await Unspool.open(config: wrong) }
    }
}
