import AVFoundation
import UnspoolKit

/// Players of the system, which read the core's gateway: an engine that needs no GStreamer in the app.
///
/// The core asks for a player of each card it prepares; ``layer`` shows the one that plays. An address is good for this session
/// alone and belongs into no log.
@MainActor
public final class AVPlayers: PlatformPlayers {
    /// Shows the card that plays.
    public let layer = AVPlayerLayer()

    private final class One {
        let player: AVPlayer
        let reports: PlayerReports
        var facts: PlayerFacts
        var observations: [NSKeyValueObservation] = []
        var end: (any NSObjectProtocol)?
        var ticking: Any?

        init(_ player: AVPlayer, _ request: PlayerRequest, _ reports: PlayerReports) {
            (self.player, self.reports, facts) = (player, reports, PlayerFacts(looping: request.looping))
        }
    }

    private var players: [UInt64: One] = [:]
    private var rate: Float = 1

    /// How often the core hears where playback is.
    private static let often = CMTime(value: 1, timescale: 4)

    public init() { layer.videoGravity = .resizeAspect }

    public func make(player: UInt64, request: PlayerRequest, reports: PlayerReports) async throws {
        guard let url = URL(string: request.address) else { throw HostError.Unexpected(reason: "no address") }
        let item = AVPlayerItem(url: url)
        let media = AVPlayer(playerItem: item)
        media.actionAtItemEnd = request.looping ? .none : .pause
        // The core has the bytes ahead; waiting for more of them than are needed only delays the first picture.
        media.automaticallyWaitsToMinimizeStalling = false
        let one = One(media, request, reports)
        players[player] = one
        one.observations.append(item.observe(\.status) { [weak self] item, _ in
            let (status, size) = (item.status, item.presentationSize)
            Task { @MainActor in
                switch status {
                case .readyToPlay: self?.heard(player, .ready(width: size.width, height: size.height))
                case .failed: self?.heard(player, .failed(reason: "AVPlayerItem", recoverable: true))
                default: break
                }
            }
        })
        one.observations.append(media.observe(\.timeControlStatus) { [weak self] media, _ in
            let status = media.timeControlStatus
            Task { @MainActor in
                switch status {
                case .waitingToPlayAtSpecifiedRate: self?.heard(player, .waiting)
                case .playing: self?.heard(player, .playing)
                default: break
                }
            }
        })
        one.end = NotificationCenter.default.addObserver(
            forName: AVPlayerItem.didPlayToEndTimeNotification, object: item, queue: .main
        ) { [weak self] _ in
            MainActor.assumeIsolated {
                self?.heard(player, .end)
                if request.looping { media.seek(to: .zero) }
            }
        }
    }

    public func play(player: UInt64) async throws {
        guard let one = players[player] else { return }
        layer.player = one.player
        heard(player, .told)
        one.player.playImmediately(atRate: rate)
        guard one.ticking == nil else { return }
        one.ticking = one.player.addPeriodicTimeObserver(forInterval: Self.often, queue: .main) { [weak self] time in
            MainActor.assumeIsolated { self?.heard(player, .time(seconds: time.seconds)) }
        }
    }

    public func pause(player: UInt64) async throws { players[player]?.player.pause() }

    public func seek(player: UInt64, positionMs: UInt64, exact: Bool) async throws {
        guard let one = players[player] else { return }
        let time = CMTime(value: CMTimeValue(positionMs), timescale: 1_000)
        await one.player.seek(to: time, toleranceBefore: exact ? .zero : .positiveInfinity, toleranceAfter: .zero)
        heard(player, .sought(toMs: positionMs))
    }

    public func setMuted(player: UInt64, muted: Bool) async throws { players[player]?.player.isMuted = muted }

    public func setVolume(player: UInt64, volume: Double) async throws { players[player]?.player.volume = Float(volume) }

    public func setRate(player: UInt64, rate: Double) async throws {
        self.rate = Float(rate)
        if let media = players[player]?.player, media.rate != 0 { media.rate = self.rate }
    }

    public func release(player: UInt64) async throws {
        guard let one = players.removeValue(forKey: player) else { return }
        if layer.player === one.player { layer.player = nil }
        if let ticking = one.ticking { one.player.removeTimeObserver(ticking) }
        if let end = one.end { NotificationCenter.default.removeObserver(end) }
        one.observations.forEach { $0.invalidate() }
        one.player.replaceCurrentItem(with: nil)
    }

    private func heard(_ player: UInt64, _ fact: PlayerFacts.Fact) {
        guard let one = players[player] else { return }
        for report in one.facts.heard(fact) { one.reports.tell(report: report) }
    }
}
