import Testing
import UnspoolCore
@_exported import UnspoolTestkit

/// All tests, one after the other: they play video, and there may be two cores.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct UnspoolTests {}

extension Feed {
    /// The whole log of a feed without waiting; the core keeps 2,048 events.
    func allEvents() -> [Event] {
        var events: [Event] = []
        while true {
            let batch = eventsNow(after: UInt64(events.count))
            if batch.events.isEmpty { return events }
            events += batch.events
        }
    }
}

/// What the first frame of a card was like.
struct Frame {
    let startClass: StartClass
    let width, height: UInt32
    let luma: Double?
}

/// Follows the events of a feed by number, and fails when one is missed.
final class Follower {
    private let feed: Feed
    private var last: UInt64 = 0

    init(_ feed: Feed) { self.feed = feed }

    /// Takes events until one is as wanted.
    func until(_ what: String, _ wanted: (Event) throws -> Bool) async throws {
        while true {
            let (feed, after) = (feed, last)
            let batch = try await inTime(what) { try await feed.eventsAfter(after: after) }
            #expect(batch.missed == 0)
            for (number, event) in batch.numbered {
                last = number
                if try wanted(event) { return }
            }
        }
    }

    /// The first frame of the card at `position`; fails when the card or the players do.
    func firstFrame(_ position: UInt64) async throws -> Frame {
        var frame: Frame?
        try await until("the first frame of card \(position)") { event in
            switch event {
            case let .firstFrame(position: at, _, startClass, _, width, height, luma) where at == position:
                frame = Frame(startClass: startClass, width: width, height: height, luma: luma)
            case let .cardFailed(position: at, _, reason) where at == position:
                throw Unexpected(what: "card \(at): \(reason)")
            case let .playersFailed(reason):
                throw Unexpected(what: reason)
            default: break
            }
            return frame != nil
        }
        return try #require(frame)
    }
}
