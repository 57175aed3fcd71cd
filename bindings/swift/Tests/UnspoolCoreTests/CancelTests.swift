import Foundation
import Testing
import UnspoolCore

extension UnspoolTests {
    /// Random calls are cancelled at random moments while a reader, cancelled as well, follows the events.
    @Test func cancellingAtEveryStepLosesNothing() async throws {
        let scratch = try Scratch()
        let origin = try Origin(in: scratch.url)
        let session = try await Unspool.open(config: config(scratch, origin))
        let feed = try session.feed(kind: .forYou)
        _ = try await feed.next()
        let acknowledged = Shared<Set<String>>([])
        let calls: [@Sendable (Int) async throws -> Void] = [
            { _ in _ = try await feed.next() },
            { _ in _ = try await feed.previous() },
            { _ in _ = try await feed.snapshotAfter(revision: feed.snapshot().revision) },
            { _ in _ = try await feed.eventsAfter(after: 0) },
            { _ in _ = try await feed.peek(count: 3) },
            { _ in _ = try await session.topics() },
            { _ in _ = try await session.interests() },
            { _ = try await session.liked(item: "wish-\($0)") },
            { _ in for try await _ in feed.snapshots {} },
            { _ in _ = try await session.flush(within: patienceSeconds) },
            { n in
                try await session.setLiked(item: "wish-\(n)", liked: true)
                _ = acknowledged.with { $0.insert("wish-\(n)") }
            },
        ]
        let got = Shared<(events: [Event], last: UInt64)>(([], 0))
        let reader = Task {
            while !Task.isCancelled {
                let turn = Task {
                    for try await batch in feed.events(after: got.now.last) {
                        #expect(batch.missed == 0)
                        got.with { $0 = ($0.events + batch.events, batch.last) }
                    }
                }
                try await cancelSoon(turn)
            }
        }
        for n in 0..<cancels {
            try await cancelSoon(Task { try await calls[n % calls.count](n) })
        }
        reader.cancel()
        try await reader.value
        // On a busy machine every call may be cancelled before its end: one is left alone.
        try await session.setLiked(item: "wish-alone", liked: true)
        _ = acknowledged.with { $0.insert("wish-alone") }

        let report = await session.shutdown(within: patienceSeconds)
        #expect(report.clean)
        // What happened after the reader left is still there, and then the feed is at its end.
        var (events, last) = got.now
        for try await batch in feed.events(after: last) {
            events += batch.events
            last = batch.last
        }
        #expect(events == feed.allEvents(), "every event once, in order")
        #expect(last == UInt64(events.count))

        let out = report.outgoing
        #expect(out.queued + out.intentsQueued + out.dropped + out.quarantined + out.intentsWedged == 0, "\(out)")
        #expect(out.recorded == out.delivered)
        #expect(try await origin.records(of: session.status().installation).count == Int(out.recorded))
        #expect(try await origin.operations() == out.intents, "each intent once")
        let liked = try await origin.wishes(of: "ada").map(\.target)
        #expect(acknowledged.now.subtracting(liked).isEmpty, "what was acknowledged is at the origin")
        #expect(Set(liked).count == liked.count)
        print("\(events.count) events, \(acknowledged.now.count) acknowledged of \(liked.count) likes, \(out.recorded) records")
    }

    @Test func aCancelledTaskReachesTheCoreAndTheServerSeesTheRequestEnd() async throws {
        let scratch = try Scratch()
        let origin = try Origin(in: scratch.url)
        try await Unspool.withSession(config: config(scratch, origin)) { session in
            try await origin.fault(#"{"path_prefix":"/v1/topics","action":{"kind":"stall","after_bytes":0,"ms":600000}}"#)
            let wait = Task { try await session.topics() }
            try await eventually("the request is at the origin") { try await origin.inFlight() == 1 }
            let asked = ContinuousClock.now
            wait.cancel()
            await #expect(throws: CancellationError.self) { try await wait.value }
            try await eventually("the request ends") { try await origin.inFlight() == 0 }
            #expect(ContinuousClock.now - asked < .seconds(5), "the request time-out would end it as well")
            #expect(try await !session.topics().isEmpty)
        }
    }

    /// Each overload forwards the cancelling; a call without one would wait for ever or succeed.
    @Test func everyCallIsCancelledWithItsTask() async throws {
        let scratch = try Scratch()
        let session = try await Unspool.open(config: offlineConfig(scratch))
        let feed = try session.feed(kind: .forYou)
        let calls: [@Sendable () async throws -> Void] = [
            { _ = try await Unspool.open(config: offlineConfig(scratch, dir: "other")) },
            { _ = try await session.topics() },
            { _ = try await session.interests() },
            { try await session.setInterests(topics: []) },
            { try await session.setLiked(item: "i", liked: true) },
            { _ = try await session.liked(item: "i") },
            { _ = try await session.flush() },
            { _ = try await session.localFile(asset: "a", rendition: "r") },
            { _ = try await session.keptAfter(revision: .max) },
            { try await session.pauseKeep(assets: ["a"]) },
            { try await session.resumeKeep(assets: ["a"]) },
            { try await session.forgetKept(assets: ["a"]) },
            { try await session.suspend() },
            { try await session.resume() },
            { try await feed.keep(items: ["i"]) },
            { _ = try await feed.keepEstimate(items: ["i"]) },
            { for try await _ in session.keptSnapshots {} },
            { _ = try await feed.next() },
            { _ = try await feed.previous() },
            { _ = try await feed.peek(count: 1) },
            { _ = try await feed.snapshotAfter(revision: .max) },
            { _ = try await feed.eventsAfter(after: .max) },
            { for try await _ in feed.snapshots {} },
            { for try await _ in feed.events(after: .max) {} },
        ]
        for (n, call) in calls.enumerated() {
            let task = Task {
                // Begins cancelled, so that it makes no difference how long the call would take.
                withUnsafeCurrentTask { $0?.cancel() }
                try await call()
            }
            await #expect(throws: CancellationError.self, "call \(n)") { try await task.value }
        }
        let waiting = Task { try await feed.snapshotAfter(revision: .max) }
        try await cancelSoon(waiting)
        await #expect(throws: CancellationError.self) { try await waiting.value }
        #expect(await session.shutdown(within: 5).clean)
    }

    /// The generator may add a call: the package then lacks its overload, and its waits would not end with their task.
    @Test func everyCallThatWaitsHasAnOverload() throws {
        let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../..").standardized
        func source(_ name: String) throws -> String {
            try String(contentsOf: package.appendingPathComponent("Sources/\(name)"), encoding: .utf8)
        }
        let generated = try source("UnspoolBindings/UnspoolBindings.swift")
        let files = try FileManager.default.contentsOfDirectory(atPath: package.appendingPathComponent("Sources/UnspoolCore").path)
        let ours = try files.map { try source("UnspoolCore/\($0)") }.joined()
        let waits = generated.matches(of: /(?:open|public static) func `?(\w+)`?\([^)]*cancel: CancelToken\? = nil\)/).map(\.1)
        #expect(waits.count >= 21)
        // Panics on purpose have their overloads nowhere: no app calls them.
        for wait in waits where !wait.hasPrefix("panic") {
            #expect(ours.contains(try Regex("[ .]\(wait)\\((?:[^()]*, )?cancel: \\$0\\)")), "no overload of \(wait)")
        }
    }

    /// The core keeps the newest 2,048 events.
    @Test func aReaderThatFellBehindIsToldSo() async throws {
        let scratch = try Scratch()
        let origin = try Origin(in: scratch.url)
        try await Unspool.withSession(config: config(scratch, origin)) { session in
            let feed = try session.feed(kind: .forYou)
            _ = try await feed.next()
            for _ in 0..<1_050 {
                _ = try await feed.next()
                _ = try await feed.previous()
            }
            var (number, missed): (UInt64, UInt64) = (0, 0)
            let newest = feed.eventsNow(after: 0).last
            for try await batch in feed.events() {
                #expect(batch.last == number + batch.missed + UInt64(batch.events.count), "none is left out untold")
                (number, missed) = (batch.last, missed + batch.missed)
                if number >= newest { break }
            }
            #expect(missed > 0)
        }
    }

    @Test func sequencesGiveTheStateAtOnceAndEndWithTheSession() async throws {
        let scratch = try Scratch()
        let origin = try Origin(in: scratch.url)
        let session = try await Unspool.open(config: config(scratch, origin))
        let feed = try session.feed(kind: .forYou)
        let collectors = (0..<20).map { _ in
            Task {
                var revisions: [UInt64] = []
                for try await snapshot in feed.snapshots { revisions.append(snapshot.revision) }
                return revisions
            }
        }
        let cancelled = (0..<20).map { _ in Task { for try await _ in feed.snapshots {} } }
        _ = try await feed.next()
        try await feed.until("three states") { $0.revision >= 3 }
        for task in cancelled {
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
        }
        #expect(await session.shutdown(within: patienceSeconds).clean)
        for collector in collectors {
            let revisions = try await collector.value
            #expect(!revisions.isEmpty)
            #expect(zip(revisions, revisions.dropFirst()).allSatisfy { $0 < $1 }, "each newer than the one before")
        }
        var events: [Event] = []
        for try await batch in feed.events() {
            #expect(batch.numbered.first?.number == UInt64(events.count + 1))
            events += batch.events
        }
        #expect(events == feed.allEvents())
    }
}

/// How many calls are cancelled: each kind some sixty times.
private let cancels = 660

/// Lets a task run for a moment that differs from call to call, cancels it and waits for its end.
///
/// A call that crosses threads takes some tens of microseconds, one that writes to the disk some milliseconds.
private func cancelSoon<Value>(_ task: Task<Value, any Error>) async throws {
    let until = ContinuousClock.now + .microseconds(Int.random(in: 0...6_000))
    while ContinuousClock.now < until { await Task.yield() }
    task.cancel()
    switch await task.result {
    case .success: return
    case let .failure(error):
        switch error {
        // Swiping to and fro meets the ends.
        case is CancellationError, UnspoolError.EndOfFeed: return
        default: throw error
        }
    }
}
