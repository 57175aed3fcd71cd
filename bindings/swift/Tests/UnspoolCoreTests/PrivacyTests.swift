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
            let liked = try await session.liked(item: "a-liked-item")
            let interests = try await session.interests()
            #expect(liked == nil)
            #expect(interests.isEmpty)
        }
    }

    @Test func mediaComeFromListedHostsOnly() async throws {
        let scratch = try Scratch()
        let origin = try Origin(in: scratch.url)
        func elsewhere(_ host: String) -> SessionConfig {
            SessionConfig(dataDir: scratch.path("core"), account: "ada", backend: origin.url, token: "ada", mediaHosts: [host])
        }
        try await Unspool.withSession(config: elsewhere("https://cdn.example")) { session in
            let listed = session.outboundAfter(after: 0)
            #expect(listed.requests.isEmpty)
        }
        let wrong = elsewhere("cdn.example")
        await #expect(throws: UnspoolError.self) { _ = try await Unspool.open(config: wrong) }
    }
}
