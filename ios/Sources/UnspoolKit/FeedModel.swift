import UnspoolCore

/// One page of the pager.
public struct Page: Identifiable, Equatable, Sendable {
    /// What the core gave.
    public var card: Card
    /// What the person wants, sent or not.
    public var liked = false
    public var saved = false
    public var followed = false
    /// Why its video does not play, for a log; nil while nothing is wrong.
    public var failed: String?
    /// The backend or the filter took it away: the page says so and plays nothing.
    public var gone = false

    public var id: UInt64 { card.position }
}

/// The way out of a loop, to be answered with ``FeedModel/answer(_:)``.
public struct Offer: Equatable, Sendable {
    /// What the person sees nothing else of.
    public let topic: String
    public let choices: [LoopChoice]
}

/// What the feed's screen shows.
public struct FeedState: ScreenState {
    /// Those seen so far, in order; a pager has one more page, which waits, unless ``ended``.
    public var pages: [Page] = []
    /// Index of the page on the screen, -1 before the first.
    public var current = -1
    /// Whether a picture of the current card has been rendered.
    public var playing = false
    public var paused = false
    public var interrupted = false
    public var muted = false
    public var playheadMs: UInt64 = 0
    /// The still picture of the page on the screen until its first frame is there; nil where there is none.
    public var poster: Thumbnail?
    /// Words spoken now.
    public var caption: [String] = []
    public var online = true
    /// What the network does while the device is online; the screen says why it waits.
    public var link = LinkState.fine
    public var ended = false
    /// The video that a link asked for is not there any more, or not for this person; the feed begins with another.
    public var isOtherThanAsked = false
    /// The break that stands in the next card's place; the view shows it over the page, with its actions.
    public var rest: BreakCard?
    /// The way out of a loop.
    public var offer: Offer?
    /// The explanation asked for last.
    public var why: Why?
    public var trouble: Trouble?

    /// The page on the screen.
    public var page: Page? { pages.indices.contains(current) ? pages[current] : nil }
}

/// The vertical pager over one feed: every gesture of the person goes in, one ``FeedState`` comes out.
///
/// The pager says where it came to rest (``settled(_:)``); the model brings the feed there, card by card, so that every card
/// passed has its record. What is withheld never becomes a page: a break holds the pager where it is. A wish shows at
/// once, and is taken back on the screen when the core refuses it.
public final class FeedModel: Model<FeedState> {
    /// The feed under the pager.
    public let feed: Feed
    private let session: Unspool
    private let asked: String?
    private var away = false
    /// Position of the card whose first frame was seen last.
    private var started: UInt64?

    /// - Parameter asked: The item that the feed was opened to begin with.
    public init(_ session: Unspool, _ feed: Feed, asked: String? = nil) {
        (self.session, self.feed, self.asked) = (session, feed, asked)
        super.init(FeedState())
        follow(feed.snapshots) { [weak self] now in self?.snapshot(now) }
        follow(feed.events()) { [weak self] batch in batch.events.forEach { self?.event($0) } }
    }

    /// Opens a feed, which replaces the one before it in the session.
    public convenience init(_ session: Unspool, kind: FeedKind = .forYou, first: String? = nil) throws {
        self.init(session, try session.feed(kind: kind, first: first), asked: first)
    }

    /// Opens what a link asks for. Without a network and without its card on the device the first page ends in the trouble
    /// ``Trouble/Kind/offline``; a feed without the link still plays what is there.
    public convenience init(_ session: Unspool, link: DeepLink) throws {
        try self.init(session, kind: link.opens, first: link.first)
    }

    /// Shows the first card.
    @discardableResult
    public func start() -> Task<Void, Never> { settled(0) }

    /// The pager came to rest on page `index`; one beyond the last page asks for the next card.
    @discardableResult
    public func settled(_ index: Int) -> Task<Void, Never> { move { _ in index } }

    /// The person wants to go on after a break; where it stands still, it stays on the screen.
    @discardableResult
    public func goOn() -> Task<Void, Never> { move { $0 + 1 } }

    /// Somebody who gave the passcode allows so many minutes more, and the feed goes on.
    @discardableResult
    public func allowMore(minutes: UInt32) -> Task<Void, Never> {
        inOrder { try await self.session.allowMore(minutes: minutes) }
        return goOn()
    }

    /// A tap on the picture.
    public func togglePause() {
        let paused = !state.paused
        tried { try $0.setPaused(paused: paused) }
    }

    /// The loudspeaker.
    public func toggleMute() {
        let muted = !state.muted
        tried {
            try $0.setMuted(muted: muted)
            try $0.viewer(action: .muted(muted: muted))
            self.show { $0.muted = muted }
        }
    }

    /// A double tap likes and never takes a like away.
    @discardableResult
    public func doubleTap() -> Task<Void, Never> {
        tapped(.double)
        return wish(\.liked, true) { try await $0.setLiked(item: $1.id, liked: true) }
    }

    /// The heart.
    @discardableResult
    public func toggleLike() -> Task<Void, Never> {
        tapped(.like)
        let liked = !(state.page?.liked ?? false)
        return wish(\.liked, liked) { try await $0.setLiked(item: $1.id, liked: liked) }
    }

    /// The bookmark.
    @discardableResult
    public func toggleSave() -> Task<Void, Never> {
        tapped(.save)
        let saved = !(state.page?.saved ?? false)
        return wish(\.saved, saved) { try await $0.setSaved(item: $1.id, saved: saved) }
    }

    /// The plus at the creator's picture.
    @discardableResult
    public func toggleFollow() -> Task<Void, Never> {
        tapped(.follow)
        let followed = !(state.page?.followed ?? false)
        return wish(\.followed, followed, ofCreator: true) {
            try await $0.setFollowed(creator: $1.creator.id, followed: followed)
        }
    }

    /// Uncovers the card on the screen, where its filter allows that.
    @discardableResult
    public func reveal() -> Task<Void, Never> {
        onPage { model, page in
            let card = try await model.feed.reveal(position: page.id)
            model.change(page.id) { $0.card = card }
            model.poster(card)
        }
    }

    /// "Not interested": counts from the next card that may still move. The view swipes on.
    @discardableResult
    public func notInterested() -> Task<Void, Never> {
        onPage { try await $0.feed.notInterested(position: $1.id) }
    }

    /// "Why this video": the answer is in the state until the next page.
    @discardableResult
    public func askWhy() -> Task<Void, Never> {
        tapped(.why)
        return onPage { model, page in
            let why = try await model.feed.why(position: page.id)
            model.show { if $0.page?.id == page.id { $0.why = why } }
        }
    }

    /// The explanation was read.
    public func closeWhy() { show { $0.why = nil } }

    /// Blocks the creator of the card on the screen; their cards close by themselves.
    @discardableResult
    public func blockCreator() -> Task<Void, Never> {
        onPage { try await $0.session.setBlocked(creator: $1.card.item.creator.id, blocked: true) }
    }

    /// Reports the card on the screen, which closes by itself. Words are for the moderators, at most 300 characters.
    @discardableResult
    public func report(_ reason: ReportReason, words: String? = nil) -> Task<Void, Never> {
        onPage { model, page in
            let words = words.map(\.trimmed).flatMap { $0.isEmpty ? nil : $0 }
            try await model.session.report(Report(subject: .item(id: page.card.item.id), reason: reason, words: words))
        }
    }

    /// The person answers the offer out of a loop.
    public func answer(_ choice: LoopChoice) {
        tried { try $0.answerLoop(choice: choice) }
        show { $0.offer = nil }
    }

    /// The person opens comments, a profile or the share sheet: watching ends until ``returned()``.
    public func left(_ place: Place) {
        guard !away else { return }
        away = true
        tried { try $0.viewer(action: .left(place: place)) }
    }

    /// The person is back; no news where they had not left.
    public func returned() {
        guard away else { return }
        away = false
        tried { try $0.viewer(action: .returned) }
    }

    /// Asks again for the page of the feed that failed.
    @discardableResult
    public func retry() -> Task<Void, Never> {
        tried { try $0.retry() }
        return settled(max(state.current, 0))
    }

    // MARK: - Moving

    private func move(_ to: @escaping @MainActor (Int) -> Int) -> Task<Void, Never> {
        inOrder {
            self.show { ($0.trouble, $0.why) = (nil, nil) }
            let index = to(self.state.current)
            do {
                while self.state.current < index {
                    try await self.arrive(try await self.feed.next(), at: self.state.current + 1)
                }
                while self.state.current > max(index, 0) {
                    try await self.arrive(try await self.feed.previous(), at: self.state.current - 1)
                }
            } catch UnspoolError.EndOfFeed {
                self.show { $0.ended = true }
            } catch UnspoolError.Break(let card) {
                self.show { $0.rest = card }
            }
        }
    }

    private func arrive(_ card: Card, at index: Int) async throws {
        let (item, creator) = (card.item.id, card.item.creator)
        let page = Page(
            card: card,
            liked: try await session.liked(item: item) ?? false,
            saved: try await session.saved(item: item) ?? false,
            followed: try await session.followed(creator: creator.id) ?? card.item.relation?.following ?? false)
        show { now in
            if now.pages.indices.contains(index) { now.pages[index] = page } else { now.pages.append(page) }
            (now.current, now.playing, now.ended, now.poster) = (index, false, false, nil)
            if index == 0, let asked = self.asked { now.isOtherThanAsked = asked != item }
        }
        snapshot(feed.snapshot())
        poster(card)
    }

    /// Puts the still picture on the screen when it comes before the first frame. Without one the page waits as it is, and the
    /// card plays all the same.
    private func poster(_ card: Card) {
        guard card.item.thumbnail != nil, started != card.position else { return }
        begin { [weak self, session] in
            let poster = try? await session.thumbnail(item: card.item.id)
            guard let self, self.state.page?.id == card.position, self.started != card.position else { return }
            self.show { $0.poster = poster }
        }
    }

    // MARK: - What the feed says

    private func snapshot(_ now: FeedSnapshot) {
        let stage = now.window.first { $0.position == now.current }?.stage
        let playing = now.current != nil && now.current == state.page?.id && now.frames > 0 && stage == .playing
        if playing { started = now.current }
        show {
            $0.paused = now.paused
            $0.rest = now.resting
            $0.interrupted = now.interrupted
            $0.online = now.online
            $0.playheadMs = now.playheadMs
            $0.caption = now.captions.cues.map(\.text)
            $0.playing = playing
            if playing { $0.poster = nil }
        }
    }

    private func event(_ event: Event) {
        switch event {
        case .cardFailed(let position, _, let reason): change(position) { $0.failed = reason }
        case .cardClosed(let position, _, let current, _):
            change(position) { $0.gone = true }
            if current { show { $0.poster = nil } }
        case .loop(.offer(let topic, let choices)): show { $0.offer = Offer(topic: topic, choices: choices) }
        case .link(let link): show { $0.link = link }
        case .pageFailed(let retryable, let reason):
            show { $0.trouble = Trouble(.server, retryable ? .retry : .none, detail: reason) }
        case .playersFailed(let reason), .coreFailed(let reason):
            show { $0.trouble = Trouble(.broken, .retry, detail: reason) }
        case .storageFailed(let reason): show { $0.trouble = Trouble(.storage, .freeSpace, detail: reason) }
        default: break
        }
    }

    private func change(_ position: UInt64, _ how: (inout Page) -> Void) {
        show { now in
            for index in now.pages.indices where now.pages[index].id == position { how(&now.pages[index]) }
        }
    }

    // MARK: - What the person does

    private func tapped(_ tap: Tap) { tried { try $0.viewer(action: .tapped(tap: tap)) } }

    /// Tells the feed something at once.
    private func tried(_ tell: (Feed) throws -> Void) {
        do { try tell(feed) } catch { failed(error) }
    }

    private func onPage(_ body: @escaping @MainActor (FeedModel, Page) async throws -> Void) -> Task<Void, Never> {
        let page = state.page
        return inOrder(.wishes) { if let page { try await body(self, page) } }
    }

    /// Shows a wish at once and writes it; on refusal the pages go back to what they were.
    private func wish(
        _ what: WritableKeyPath<Page, Bool> & Sendable, _ wanted: Bool, ofCreator: Bool = false,
        _ write: @escaping @MainActor (Unspool, Item) async throws -> Void
    ) -> Task<Void, Never> {
        guard let page = state.page else { return inOrder(.wishes) {} }
        let (item, before) = (page.card.item, page[keyPath: what])
        let set: @MainActor (Bool) -> Void = { value in
            self.show { now in
                for index in now.pages.indices {
                    let other = now.pages[index].card.item
                    if ofCreator ? other.creator.id == item.creator.id : other.id == item.id {
                        now.pages[index][keyPath: what] = value
                    }
                }
            }
        }
        set(wanted)
        return inOrder(.wishes) {
            do {
                try await write(self.session, item)
            } catch {
                set(before)
                throw error
            }
        }
    }
}
