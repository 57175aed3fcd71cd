import Foundation
import Testing
import UnspoolCore
@testable import UnspoolKit

extension KitTests {
    @Test func signalsAreTheCoresConditions() {
        var busy = Signals()
        (busy.transport, busy.expensive, busy.thermal, busy.lowPower, busy.scene) = (
            .cellular4g, true, .serious, true, .background)
        let heard = busy.conditions
        #expect(heard.online && heard.metered && heard.hot && heard.batterySaver && !heard.foreground && !heard.dataSaver)
        #expect(heard.network == .cellular4g)
        busy = Signals()
        (busy.thermal, busy.scene, busy.constrained, busy.lowStorage) = (.fair, .inactive, true, true)
        #expect(!busy.conditions.hot && busy.conditions.foreground && busy.conditions.dataSaver && busy.conditions.lowStorage)
        #expect(Signals().conditions == Conditions())
        #expect(Signals.Thermal(rawValue: 3) == .critical && Signals.Thermal(rawValue: 4) == nil)
    }

    @Test func radioAudioAndMemoryHaveTheCoresWords() {
        let radios = ["NRNSA", "NR", "LTE", "HSDPA", "Edge"].map { Transport(radio: "CTRadioAccessTechnology" + $0)?.network }
        #expect(radios == [.cellular5g, .cellular5g, .cellular4g, .cellularSlow, .cellularSlow])
        #expect(Transport(radio: "") == nil && Transport.wifi.network == .wifi)
        let news: [AudioNews] = [
            .interrupted, .interruptionOver(resume: true), .interruptionOver(resume: false), .outputGone,
            .othersSpeak(true), .othersSpeak(false),
        ]
        #expect(news.map(\.focus) == [.lostForNow, .gained, .lost, .becomingNoisy, .duck, .gained])
        #expect([MemoryNews.normal, .warning, .critical].map(\.pressure) == [.normal, .low, .critical])
    }

    @Test func linksAreReadAndWrittenAndNothingElseIsALink() throws {
        let hosts: Set = ["watch.example", "www.watch.example"]
        func read(_ link: String) -> DeepLink? { DeepLink(link, hosts: hosts) }
        #expect(read("https://watch.example/video/abc-1?utm=x#part") == .video("abc-1"))
        #expect(read("HTTPS://WWW.Watch.Example/creator/cleo/") == .creator("cleo"))
        #expect(read("https://watch.example/topic/hip%20hop") == .feed(.topic(topic: "hip hop")))
        #expect(read("https://watch.example/learn") == .feed(.learn) && read("unspool://kept") == .feed(.kept))
        #expect(read("unspool://video/a%2Fb") == .video("a/b"))
        for other in [
            "http://watch.example/video/a", "https://evil.example/video/a", "https://watch.example.evil.example/video/a",
            "https://watch.example@evil.example/video/a", "https://ada:pw@watch.example/video/a",
            "https://watch.example:8443/video/a", "https://watch.example", "https://watch.example/", "https://watch.example/video/",
            "https://watch.example/video//", "https://watch.example/like/a", "https://watch.example/video/a/b",
            "https://watch.example/video/%00", "https://watch.example/video/..", "https://watch.example/video/%2E%2E",
            "https://watch.example/video/%FF", "https://watch.example/settings", "watch.example/video/a", "", "https://",
            "unspool:video/a", "unspool://ada@video/a", "javascript:alert(1)",
            "https://watch.example/video/" + String(repeating: "a", count: 129), "https://watch.example/video/two%20words",
            "https://watch.example/video/%C3%A9", "https://watch.example/creator/" + String(repeating: "a", count: 513),
            "https://watch.example/video/a?" + String(repeating: "a", count: 2_100),
        ] {
            #expect(read(other) == nil, "\(other)")
        }

        for id in ["abc", "a/b é", "100%", "?#&=", "日本", String(repeating: "x", count: 512)] {
            for asked in [DeepLink.creator(id), .feed(.topic(topic: id))] {
                #expect(read(try #require(asked.link(host: "watch.example"))) == asked, "\(id)")
            }
        }
        for id in ["abc", "a/b", "100%", "?#&=", "at://did:plc:x/y/3k", String(repeating: "x", count: 128)] {
            #expect(read(try #require(DeepLink.video(id).link(host: "watch.example"))) == .video(id), "\(id)")
        }
        for feed in [FeedKind.following, .learn, .kept] {
            #expect(read(try #require(DeepLink.feed(feed).link(host: "watch.example"))) == .feed(feed))
        }
        for none in [DeepLink.video(""), .video("é"), .creator(String(repeating: "x", count: 513)), .feed(.forYou)] {
            #expect(none.link(host: "watch.example") == nil)
        }
        #expect(DeepLink.video("a").opens == .forYou && DeepLink.video("a").first == "a" && DeepLink.video("a").isShown)
        #expect(DeepLink.feed(.learn).opens == .learn && DeepLink.feed(.learn).first == nil)
        #expect(DeepLink.creator("a").opens == .forYou && !DeepLink.creator("a").isShown)
    }

    @Test func aPlayersWordsAreToldOnceAndInOrder() {
        var facts = PlayerFacts(looping: true)
        func hear(_ heard: [PlayerFacts.Fact]) -> [PlayerReport] { heard.flatMap { facts.heard($0) } }
        #expect(hear([.ready(width: 719.6, height: 1_280), .ready(width: 1, height: 1)]) == [.ready(width: 720, height: 1_280)])
        #expect(hear([.playing, .time(seconds: .nan), .time(seconds: -1)]).isEmpty)
        #expect(hear([.told, .waiting, .waiting, .playing, .playing]) == [.waiting, .going])
        #expect(hear([.time(seconds: 0.25), .time(seconds: 0.5)]) == [
            .shown(positionMs: 250), .position(positionMs: 250, frames: 0), .position(positionMs: 500, frames: 0),
        ])
        #expect(hear([.end, .told, .sought(toMs: 900), .time(seconds: 1)]) == [
            .startedOver, .shown(positionMs: 900), .position(positionMs: 1_000, frames: 0),
        ])
        #expect(hear([.failed(reason: "gone", recoverable: true), .failed(reason: "x", recoverable: false), .end, .waiting])
            == [.failed(reason: "gone", recoverable: true)])
        var once = PlayerFacts(looping: false)
        #expect(once.heard(.ready(width: .infinity, height: 1e12)) == [.ready(width: 0, height: 65_536)])
        #expect(once.heard(.end) == [.ended])
        #expect(once.heard(.time(seconds: 1e300)) == [.position(positionMs: 31_536_000_000, frames: 0)])
    }

    /// A player of the platform as the view's is, but for the pictures: it reads the gateway and says what it hears.
    @Test func aPlayerThatReadsTheGatewayPlaysACard() async throws {
        let players = GatewayPlayers()
        try await shell(players: players) { shell in
            let feed = try shell.feed()
            await feed.start().value
            let shown = try await feed.until("it plays") { $0.playing && $0.playheadMs >= 500 }
            #expect(shown.page?.failed == nil && shown.trouble == nil)
            await feed.settled(1).value
            try await feed.until("the next one plays") { $0.current == 1 && $0.playing }
            #expect(await players.bytes > 0, "the media came over the gateway")
        }
    }
}

/// Fetches what it is to play and lets its time go by at the pace it is asked for.
private actor GatewayPlayers: PlatformPlayers {
    private var playing: [UInt64: (facts: PlayerFacts, reports: PlayerReports, ticking: Task<Void, Never>?)] = [:]
    private(set) var bytes = 0

    func make(player: UInt64, request: PlayerRequest, reports: PlayerReports) async throws {
        playing[player] = (PlayerFacts(looping: request.looping), reports, nil)
        bytes += try await download(request.address)
        heard(player, .ready(width: 320, height: 568))
    }

    func play(player: UInt64) async throws {
        heard(player, .told)
        playing[player]?.ticking?.cancel()
        playing[player]?.ticking = Task {
            var at = 0.0
            while (try? await Task.sleep(for: .milliseconds(100))) != nil {
                heard(player, .time(seconds: at))
                at += 0.1
            }
        }
    }

    func pause(player: UInt64) async throws { playing[player]?.ticking?.cancel() }
    func seek(player: UInt64, positionMs: UInt64, exact: Bool) async throws { heard(player, .sought(toMs: positionMs)) }
    func setMuted(player: UInt64, muted: Bool) async throws {}
    func setVolume(player: UInt64, volume: Double) async throws {}
    func setRate(player: UInt64, rate: Double) async throws {}
    func release(player: UInt64) async throws { playing.removeValue(forKey: player)?.ticking?.cancel() }

    private func heard(_ player: UInt64, _ fact: PlayerFacts.Fact) {
        guard let reports = playing[player]?.facts.heard(fact) else { return }
        for report in reports { playing[player]?.reports.tell(report: report) }
    }
}
