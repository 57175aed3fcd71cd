import Foundation
import UnspoolCore

/// What is printed.
struct Report: Encodable, Sendable {
    var language = "swift"
    var runtime: String
    var calls: [Call]
    var swipe: Swipe

    /// Times of one call in microseconds.
    struct Call: Encodable, Sendable {
        let name: String
        let n: Int
        let medianUs, p90Us: Double
    }

    /// A swipe, from the call to the first frame that is shown.
    struct Swipe: Encodable, Sendable {
        let n: Int
        /// Calls of a typical swipe, and of the one that took most.
        let calls: Int
        let mostCalls: Int
        /// Cancel tokens that were made for them: one a wait, some 0.1 µs each.
        let cancelTokens: Int
        let firstFrameMs: Double
        /// A call that waits for the core and does nothing there: what it costs to suspend and to be woken.
        let suspendedCallUs: Double
        /// An upper bound: every call as a suspended one, the core's own work included.
        let ffiUsAtMost: Double
    }
}

/// Reads: many, they disturb nothing.
private let reads = 5_000
/// Commands are queued and carried out: few, so that the queue of the core stays short.
private let commands = 500
/// The first calls fill caches.
private let warm = 500
private let swipes = 100
private let swipesWarm = 20

func measure(_ session: Unspool) async throws -> Report {
    let feed = try session.feed(kind: .forYou)
    var reader = Reader(feed: feed)
    for _ in 1...2 { _ = try await reader.firstFrame(feed.next().position) }
    _ = try await reader.firstFrame(feed.previous().position)
    for try await state in feed.snapshots where state.window.dropFirst().first?.stage == .preRolled { break }
    // A paused player leaves the processor to what is measured.
    try feed.setPaused(paused: true)
    for try await state in feed.snapshots where state.paused { break }

    // A batch as a reader that keeps up gets it: a handful of events.
    let recent = reader.last > 4 ? reader.last - 4 : 0
    var calls = [
        try await time("feed.snapshot", reads) { _ in _ = feed.snapshot() },
        try await time("feed.snapshot_after", reads) { _ in _ = try await feed.snapshotAfter(revision: 0) },
        try await time("feed.events", reads) { _ in _ = feed.eventsNow(after: recent) },
        try await time("feed.events_after", reads) { _ in _ = try await feed.eventsAfter(after: recent) },
        try await time("session.status", reads) { _ in _ = session.status() },
        try await time("session.set_conditions", commands) { _ in session.setConditions(conditions: Conditions()) },
        try await time("feed.set_muted", commands) { try feed.setMuted(muted: $0 % 2 == 0) },
        try await time("feed.set_paused", commands) { _ in try feed.setPaused(paused: true) },
        try await time("feed.seek", commands) { _ in try feed.seek(positionMs: 0) },
    ]
    let suspended = try await time("feed.peek", reads) { _ in _ = try await feed.peek(count: 0) }

    try feed.setPaused(paused: false)
    var (moves, frames, counts): ([Double], [Double], [Int]) = ([], [], [])
    for n in 0..<(swipesWarm + swipes) {
        reader.drain()
        let begun = ContinuousClock.now
        let card = n % 2 == 0 ? try await feed.next() : try await feed.previous()
        let moved = ContinuousClock.now
        let pulls = try await reader.firstFrame(card.position)
        let shown = ContinuousClock.now
        if n < swipesWarm { continue }
        moves.append(us(moved - begun))
        frames.append(us(shown - begun))
        counts.append(1 + pulls)
    }
    let next = summary("feed.next", moves)
    calls.insert(next, at: 0)
    counts.sort()
    let typical = counts[counts.count / 2]
    return Report(
        runtime: runtime, calls: calls,
        swipe: Report.Swipe(
            n: counts.count, calls: typical, mostCalls: counts.last ?? 0, cancelTokens: typical,
            firstFrameMs: summary("", frames).medianUs / 1_000, suspendedCallUs: suspended.medianUs,
            ffiUsAtMost: next.medianUs + Double(typical - 1) * suspended.medianUs))
}

/// Calls a few times unmeasured, then takes the times.
private func time(_ name: String, _ n: Int, _ call: (Int) async throws -> Void) async throws -> Report.Call {
    for turn in 0..<min(warm, n) { try await call(turn) }
    var times: [Double] = []
    times.reserveCapacity(n)
    for turn in 0..<n {
        let begun = ContinuousClock.now
        try await call(turn)
        times.append(us(ContinuousClock.now - begun))
    }
    return summary(name, times)
}

private func summary(_ name: String, _ times: [Double]) -> Report.Call {
    let sorted = times.sorted()
    func at(_ share: Double) -> Double { (sorted[Int(Double(sorted.count - 1) * share)] * 100).rounded() / 100 }
    return Report.Call(name: name, n: times.count, medianUs: at(0.5), p90Us: at(0.9))
}

private func us(_ duration: Duration) -> Double { duration / .microseconds(1) }

/// Reads the events of a feed by number, as an app does.
private struct Reader {
    let feed: Feed
    private(set) var last: UInt64 = 0

    init(feed: Feed) { self.feed = feed }

    /// Waits for the first frame of the card at `position`; says how many waits that took.
    mutating func firstFrame(_ position: UInt64) async throws -> Int {
        var pulls = 0
        while true {
            let batch = try await feed.eventsAfter(after: last)
            pulls += 1
            last = batch.last
            for event in batch.events {
                switch event {
                case let .firstFrame(position: at, _, _, _, _, _, _) where at == position: return pulls
                case let .cardFailed(_, _, reason), let .playersFailed(reason): throw Unplayable(reason: reason)
                default: continue
                }
            }
        }
    }

    /// Takes what is there already.
    mutating func drain() { last = feed.eventsNow(after: last).last }
}

private struct Unplayable: Error {
    let reason: String
}

#if compiler(>=6.1)
private let runtime = "Swift 6.1 or newer, optimised"
#else
private let runtime = "Swift 6.0, optimised"
#endif
