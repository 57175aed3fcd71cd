import Foundation
import Testing
import UnspoolCore

extension UnspoolTests {
    @Test func twoHundredCallsAtOnce() async throws {
        let scratch = try Scratch()
        let origin = try Origin(in: scratch.url)
        try await Unspool.withSession(config: config(scratch, origin)) { session in
            let feed = try session.feed(kind: .forYou)
            _ = try await feed.next()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for n in 0..<200 {
                    group.addTask {
                        switch n % 8 {
                        case 0: #expect(try await !session.topics().isEmpty)
                        case 1: try await session.setLiked(item: "item-\(n)", liked: true)
                        case 2: #expect(try await session.liked(item: "never-\(n)") == nil)
                        case 3: #expect(try await feed.snapshotAfter(revision: 0).revision > 0)
                        case 4: #expect(try await !feed.eventsAfter(after: 0).events.isEmpty)
                        case 5: _ = try await feed.peek(count: 2)
                        case 6: _ = try await session.interests()
                        default: #expect(!session.status().installation.isEmpty)
                        }
                    }
                }
                try await group.waitForAll()
            }
            #expect(try await session.flush(within: patienceSeconds).intentsDelivered == 25)
            #expect(try await origin.wishes(of: "ada").count == 25)
        }
    }

    @Test func theExampleOfTheDocumentationDoesWhatItSays() async throws {
        let scratch = try Scratch()
        let origin = try Origin(in: scratch.url)
        try await watch(dir: scratch.path("core"), url: origin.url, token: "ada")
        #expect(try await origin.wishes(of: "ada").count == 1)
    }

    @Test func useAfterShutdownIsATypedErrorAndWaitsEnd() async throws {
        let scratch = try Scratch()
        let origin = try Origin(in: scratch.url)
        let session = try await Unspool.open(config: config(scratch, origin))
        await #expect(throws: UnspoolError.InUse) { try await Unspool.open(config: config(scratch, origin)) }
        let feed = try session.feed(kind: .topic(topic: "science"))
        let state = Task { try await feed.snapshotAfter(revision: .max) }
        let events = Task { try await feed.eventsAfter(after: .max) }
        let report = await session.shutdown(within: 5)
        #expect(await session.shutdown(within: 5) == report)
        await #expect(throws: UnspoolError.ShutDown) { try await state.value }
        await #expect(throws: UnspoolError.ShutDown) { try await events.value }
        let calls: [() async throws -> Void] = [
            { _ = try await feed.next() },
            { _ = try await feed.previous() },
            { _ = try await feed.peek(count: 1) },
            { try feed.setPaused(paused: true) },
            { try feed.seek(positionMs: 0) },
            { try feed.setMuted(muted: true) },
            { try feed.retry() },
            { _ = try session.feed(kind: .forYou) },
            { _ = try await session.topics() },
            { _ = try await session.interests() },
            { try await session.setInterests(topics: []) },
            { try await session.setLiked(item: "i", liked: true) },
            { _ = try await session.liked(item: "i") },
            { _ = try await session.flush(within: 5) },
            { try await session.suspend() },
            { try await session.resume() },
        ]
        for (n, call) in calls.enumerated() {
            #expect(await thrown(by: call) as? UnspoolError == .ShutDown, "call \(n)")
        }
        session.setConditions(conditions: Conditions(online: false))
        session.signedIn()
        #expect(session.status().outgoing == report.outgoing)
        // The directory is free again.
        #expect(try await Unspool.open(config: config(scratch, origin)).shutdown(within: 5).clean)
    }

    @Test func errorsSayWhatToDo() async throws {
        let scratch = try Scratch()
        let wrong = await thrown { _ = try await Unspool.open(config: config(scratch)) }
        guard case .Config? = wrong as? UnspoolError else { throw Unexpected(what: "\(String(describing: wrong))") }
        #expect("\(try #require(wrong))".contains("correct it"))
        try Data("not a directory".utf8).write(to: scratch.url.appendingPathComponent("file"))
        let storage = await thrown { _ = try await Unspool.open(config: offlineConfig(scratch, dir: "file")) }
        guard case .Storage? = storage as? UnspoolError else { throw Unexpected(what: "\(String(describing: storage))") }
        #expect("\(try #require(storage))".contains("free space"))
        try await Unspool.withSession(config: offlineConfig(scratch)) { session in
            let feed = try session.feed(kind: .forYou)
            await #expect(throws: UnspoolError.Offline) { try await feed.next() }
        }
    }

    @Test func aSessionIsShutDownHoweverItsBlockEnds() async throws {
        struct Own: Error {}
        let scratch = try Scratch()
        let kept = Shared<Unspool?>(nil)
        await #expect(throws: Own.self) {
            try await Unspool.withSession(config: offlineConfig(scratch)) { _ in throw Own() }
        }
        let cancelled = Task {
            try await Unspool.withSession(config: offlineConfig(scratch)) { session in
                kept.with { $0 = session }
                withUnsafeCurrentTask { $0?.cancel() }
                _ = try await session.interests()
            }
        }
        await #expect(throws: CancellationError.self) { try await cancelled.value }
        let session = try #require(kept.now)
        await #expect(throws: UnspoolError.ShutDown) { try await session.interests() }
        try await Unspool.withSession(config: offlineConfig(scratch)) {
            try await $0.setLiked(item: "item-1", liked: true)
        }
        let liked = try await Unspool.withSession(config: offlineConfig(scratch)) { try await $0.liked(item: "item-1") }
        #expect(liked == true)
    }

    @Test func handlesAreUsedAndDroppedOnAnyThread() async throws {
        let scratch = try Scratch()
        let origin = try Origin(in: scratch.url)
        for turn in 0..<3 {
            // The last reference goes on a thread that knows nothing of the core, while calls are waiting.
            let session = Shared<Unspool?>(try await Unspool.open(config: config(scratch, origin)))
            let feed = Shared<Feed?>(try session.now?.feed(kind: .forYou))
            _ = try await feed.now?.next()
            let ended = Shared(0)
            for n in 0..<8 {
                Thread.detachNewThread {
                    for _ in 0..<50 {
                        let token = CancelToken()
                        token.cancel()
                        _ = feed.now?.snapshot()
                        _ = session.now?.status()
                    }
                    if n == turn { session.with { $0 = nil } }
                    if n == 7 - turn { feed.with { $0 = nil } }
                    ended.with { $0 += 1 }
                }
            }
            try await eventually("the threads end") { ended.now == 8 }
            #expect(session.now == nil && feed.now == nil)
            // Dropping the last handle ends the session without waiting; the directory is free soon after.
            try await eventually("the directory is free") {
                do {
                    return try await Unspool.open(config: config(scratch, origin)).shutdown(within: 5).clean
                } catch UnspoolError.InUse {
                    return false
                }
            }
        }
    }
}
