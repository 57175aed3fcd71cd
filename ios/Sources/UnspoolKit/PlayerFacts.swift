import UnspoolCore

/// What one player of the platform says, turned into what the core wants to be told: each thing once, in its order.
///
/// `AVPlayer` says the same thing several times, goes on talking after it has failed, and has no word for "the first picture
/// after a jump". Here is the memory that takes; the view's player only passes on what it hears.
public struct PlayerFacts: Sendable {
    /// What was heard.
    public enum Fact: Equatable, Sendable {
        /// The item is ready to play; its picture has so many pixels.
        case ready(width: Double, height: Double)
        /// It plays from here on, because it was told to; the next picture is the first.
        case told
        /// A jump has ended at this place, in milliseconds; its picture is on the screen.
        case sought(toMs: UInt64)
        /// `timeControlStatus` is `waitingToPlayAtSpecifiedRate`.
        case waiting
        /// `timeControlStatus` is `playing`.
        case playing
        /// Where playback is, in seconds; no number before anything is loaded.
        case time(seconds: Double)
        /// The end of the media.
        case end
        /// The item or the player gave up.
        case failed(reason: String, recoverable: Bool)
    }

    private let looping: Bool
    private var ready = false
    private var unseen = false
    private var waits = false
    private var over = false

    /// - Parameter looping: Whether the card starts over at its end.
    public init(looping: Bool) { self.looping = looping }

    /// What to tell the core of a fact, in order; nothing for one that is no news.
    public mutating func heard(_ fact: Fact) -> [PlayerReport] {
        guard !over else { return [] }
        switch fact {
        case .ready(let width, let height):
            guard !ready else { return [] }
            ready = true
            return [.ready(width: Self.pixels(width), height: Self.pixels(height))]
        case .told:
            unseen = true
            return []
        case .sought(let toMs):
            unseen = false
            return [.shown(positionMs: toMs)]
        case .waiting:
            guard !waits else { return [] }
            waits = true
            return [.waiting]
        case .playing:
            guard waits else { return [] }
            waits = false
            return [.going]
        case .time(let seconds):
            guard seconds.isFinite, seconds >= 0 else { return [] }
            let at = UInt64(min(seconds, Self.longest) * 1_000)
            defer { unseen = false }
            return (unseen ? [.shown(positionMs: at)] : []) + [.position(positionMs: at, frames: 0)]
        case .end:
            return [looping ? .startedOver : .ended]
        case .failed(let reason, let recoverable):
            over = true
            return [.failed(reason: reason, recoverable: recoverable)]
        }
    }

    /// Longest media that has a place in milliseconds, in seconds: a year, far beyond any short video.
    private static let longest = 31_536_000.0

    private static func pixels(_ length: Double) -> UInt32 {
        length.isFinite && length > 0 ? UInt32(min(length.rounded(), 65_536)) : 0
    }
}
