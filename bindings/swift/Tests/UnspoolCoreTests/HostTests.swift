import Foundation
import Testing
import UnspoolCore

/// A backend as an app would write it: its own HTTP client, its own JSON.
private final class AppBackend: HostBackend {
    let origin: Origin
    let pages = Shared(0)
    let located = Shared(0)
    /// Whether addresses in pages are of no use, so that fresh ones must be asked for.
    let staleAddresses: Bool
    let beforeTopics: @Sendable () async throws -> Void

    init(
        _ origin: Origin, staleAddresses: Bool = false, beforeTopics: @escaping @Sendable () async throws -> Void = {}
    ) {
        self.origin = origin
        self.staleAddresses = staleAddresses
        self.beforeTopics = beforeTopics
    }

    func page(request: PageRequest) async throws -> HostPage {
        pages.with { $0 += 1 }
        let cursor = request.cursor?.addingPercentEncoding(withAllowedCharacters: .alphanumerics)
        let query = "feed=\(request.feed)&limit=\(request.limit)" + (cursor.map { "&cursor=\($0)" } ?? "")
        let page = try await get(origin.url + "/v1/feed?" + query, token: "ada", as: Json.Page.self)
        return HostPage(items: page.items.map { $0.item(stale: staleAddresses) }, nextCursor: page.next_cursor)
    }

    func topics() async throws -> [Topic] {
        try await beforeTopics()
        let answer = try await get(origin.url + "/v1/topics", token: "ada", as: Json.Topics.self)
        return answer.topics.map { Topic(id: $0.id, title: $0.title) }
    }

    func labels(items: [String]) async throws -> [LabelUpdate] {
        let body = try JSONEncoder().encode(["items": items])
        let answer = try await get(origin.url + "/v1/labels", token: "ada", body: body, as: Json.Labels.self)
        return answer.items.map { LabelUpdate(item: $0.id, labels: $0.labels, gone: $0.gone) }
    }

    func rules(held: UInt64) async throws -> String? {
        try await get(origin.url + "/v1/rules?held=\(held)", token: "ada", as: Signed.self).document()
    }

    func locate(asset: String, rendition: String) async throws -> Location {
        located.with { $0 += 1 }
        let path = "/v1/assets/\(asset)/renditions/\(rendition)"
        let fresh = try await get(origin.url + path, token: "ada", as: Json.Address.self)
        return Location(url: fresh.url, expiresAtMs: fresh.expires_at_ms)
    }
}

/// The words of the backend's contract.
private enum Json {
    struct Page: Decodable {
        let items: [Item]
        let next_cursor: String?
    }

    struct Item: Decodable {
        let id, caption, alt_text: String
        let asset: Asset
        let creator: Creator
        let topics, labels: [String]
        let retention: [[Double]]
        let prior: Double?

        func item(stale: Bool) -> HostItem {
            HostItem(
                item: UnspoolCore.Item(
                    id: id, assetId: asset.id, durationMs: asset.duration_ms,
                    creator: UnspoolCore.Creator(id: creator.id, handle: creator.handle, name: creator.name),
                    topics: topics, caption: caption, altText: alt_text, labels: labels),
                renditions: asset.renditions.map { $0.rendition(stale: stale) },
                retention: retention.map { RetentionPoint(atMs: UInt64($0[0]), share: $0[1]) }, prior: prior)
        }
    }

    struct Asset: Decodable {
        let id: String
        let duration_ms: UInt64
        let renditions: [Rendition]
    }

    struct Rendition: Decodable {
        let id, url, container: String
        let width, height: UInt32
        let bitrate_bps: UInt64
        let bytes: UInt64?
        let expires_at_ms: Int64?

        func rendition(stale: Bool) -> UnspoolCore.Rendition {
            UnspoolCore.Rendition(
                id: id, url: stale ? url.replacingOccurrences(of: "sig=", with: "sig=00") : url,
                container: container == "hls" ? .hls : container == "fmp4" ? .fmp4 : .mp4, width: width, height: height,
                bitrateBps: bitrate_bps, bytes: bytes, expiresAtMs: expires_at_ms)
        }
    }

    struct Creator: Decodable { let id, handle, name: String }
    struct Topics: Decodable { let topics: [Topic] }
    struct Topic: Decodable { let id, title: String }
    struct Labels: Decodable { let items: [Labelled] }
    struct Labelled: Decodable {
        let id: String
        let labels: [String]
        let gone: Bool
    }
    struct Address: Decodable {
        let url: String
        let expires_at_ms: Int64?
    }
}

extension UnspoolTests {
    @Test func theAppSuppliesPagesTopicsAndAddresses() async throws {
        let scratch = try Scratch()
        let app = AppBackend(try Origin(in: scratch.url), staleAddresses: true)
        try await Unspool.withSession(config: config(scratch), host: app) { session in
            #expect(try await session.topics().contains { $0.id == "science" })
            let feed = try session.feed(kind: .forYou)
            let events = Follower(feed)
            for _ in 1...2 {
                let frame = try await events.firstFrame(try await feed.next().position)
                #expect(try #require(frame.luma) > 8, "a picture, not a black one")
            }
            #expect(app.pages.now >= 1)
            #expect(app.located.now >= 2, "a refused address is asked for again")
        }
        try await eventually("no call of the app is left") { uniffiForeignFutureHandleCountUnspoolFfi() == 0 }
    }

    @Test func theAppSuppliesLateLabelsAndSignedRules() async throws {
        let scratch = try Scratch()
        let origin = try Origin(in: scratch.url)
        let shared = try SharedRules.load()
        try await origin.putRules(try shared.second.document())
        let trusting = config(scratch, safetyKeys: [shared.key])
        try await Unspool.withSession(config: trusting, host: AppBackend(origin)) { session in
            let feed = try session.feed(kind: .nonProfiled)
            _ = try await feed.next()
            try await eventually("the app's rules are taken") { session.rulesVersion() == 2 }
            let ahead = try #require(try await feed.peek(count: 1).first)
            try await origin.label(ahead.id, "fraud")
            try feed.refreshLabels()
            try await Follower(feed).until("the label") {
                if case .cardClosed(_, let item, _, _) = $0 { item == ahead.id } else { false }
            }
        }
    }

    @Test func whateverTheAppThrowsIsAnErrorOfTheCall() async throws {
        struct Cable: Error, CustomStringConvertible { let description = "the cable of Ada's house" }
        let scratch = try Scratch()
        let faults: [any Error] = [
            HostError.Refused(reason: "no"), HostError.Network(reason: "gone"), Cable(), CancellationError(),
        ]
        let turn = Shared(0)
        let app = AppBackend(try Origin(in: scratch.url)) {
            let n = turn.with { $0 += 1; return $0 - 1 }
            if n < faults.count { throw faults[n] }
        }
        try await Unspool.withSession(config: config(scratch), host: app) { session in
            for fault in faults {
                let error = await thrown { _ = try await session.topics() }
                switch error as? UnspoolError {
                case .Backend?, .Offline?: break
                default: Issue.record("\(fault) became \(String(describing: error))")
                }
                #expect(!"\(String(describing: error))".contains("Ada"), "the app's words stay with the app")
            }
            let topics = try await session.topics()
            #expect(!topics.isEmpty, "the session goes on")
        }
    }

    @Test func theAppsTaskIsCancelledWhenNobodyWantsItsAnswer() async throws {
        let scratch = try Scratch()
        let (entered, left) = (Shared(false), Shared(false))
        let app = AppBackend(try Origin(in: scratch.url)) {
            entered.with { $0 = true }
            defer { left.with { $0 = true } }
            try await Task.sleep(for: .seconds(600))
        }
        try await Unspool.withSession(config: config(scratch, requestTimeout: 300), host: app) { session in
            let wait = Task { try await session.topics() }
            try await eventually("the app is asked") { entered.now }
            wait.cancel()
            await #expect(throws: CancellationError.self) { try await wait.value }
            try await eventually("the app's task ends") { left.now }
        }
        try await eventually("no call of the app is left") { uniffiForeignFutureHandleCountUnspoolFfi() == 0 }
    }
}
