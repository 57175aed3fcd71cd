import Foundation
import Testing
import UnspoolCore

extension UnspoolTests {
    @Test func theCoresLinesArePulled() async throws {
        let scratch = try Scratch()
        #expect(setLogLevel(level: .debug))
        try await Unspool.withSession(config: offlineConfig(scratch)) { session in
            session.setConditions(conditions: Conditions())
            _ = try? await session.feed(kind: .forYou).next()
            var batches = LogBatches().makeAsyncIterator()
            let batch = try #require(try await batches.next())
            #expect(!batch.lines.isEmpty)
            #expect(batch.missed == 0)
            #expect(batch.lines.allSatisfy { $0.target.hasPrefix("unspool") && !$0.text.isEmpty && $0.atMs > 0 })
            #expect(batch.lines.map(\.number) == Array(1...batch.last))
        }
        #expect(setLogLevel(level: nil))
        let waiting = Task {
            var batches = LogBatches(after: 1_000_000).makeAsyncIterator()
            _ = try await batches.next()
        }
        waiting.cancel()
        await #expect(throws: CancellationError.self) { try await waiting.value }
    }
}
