import UnspoolCore

/// A comment with its answers below it.
public struct CommentThread: Identifiable, Sendable {
    public let comment: Comment
    /// On this device, not yet at the server.
    public let waiting: Bool
    /// Why the server will not have it; the words stay until they are dismissed.
    public let refused: String?
    public let answers: [CommentThread]

    public var id: String { comment.id }
}

/// What the sheet of comments shows.
public struct CommentsState: ScreenState {
    public var threads: [CommentThread] = []
    public var loaded = false
    public var trouble: Trouble?
}

/// The sheet of comments of one item: what is written is on disk at once and sent when it can be.
public final class CommentsModel: Model<CommentsState> {
    private let session: Unspool
    private let item: String

    /// Answers to answers that a sheet can show; a circle in what a server says ends here.
    private static let deepest = 8

    public init(_ session: Unspool, item: String) {
        (self.session, self.item) = (session, item)
        super.init(CommentsState())
        inOrder { try await self.load() }
        follow(Revisions(session)) { [weak self] _ in await self?.inOrder { [weak self] in try await self?.load() }.value }
    }

    /// Writes a comment, or an answer to `parent`.
    @discardableResult
    public func send(_ text: String, parent: String? = nil) -> Task<Void, Never> {
        written { try await $0.addComment(item: $1, text: text.trimmed, parent: parent) }
    }

    /// Changes the person's own words.
    @discardableResult
    public func edit(_ comment: String, text: String) -> Task<Void, Never> {
        written { try await $0.editComment(item: $1, comment: comment, text: text.trimmed) }
    }

    /// Deletes the person's own comment.
    @discardableResult
    public func delete(_ comment: String) -> Task<Void, Never> {
        written { try await $0.deleteComment(item: $1, comment: comment) }
    }

    /// Takes one that was refused off the screen.
    @discardableResult
    public func dismiss(_ comment: String) -> Task<Void, Never> {
        written { try await $0.dismissComment(item: $1, comment: comment) }
    }

    private func written(_ write: @escaping @MainActor (Unspool, String) async throws -> Void) -> Task<Void, Never> {
        inOrder {
            self.show { $0.trouble = nil }
            try await write(self.session, self.item)
            try await self.load()
        }
    }

    private func load() async throws {
        let all = try await session.comments(item: item)
        let below = Dictionary(grouping: all, by: \.parent)
        let known = Set(all.map(\.id))
        // An answer to what is not here stands by itself.
        let top = all.filter { $0.parent.map { !known.contains($0) } ?? true }.sorted { $0.atMs < $1.atMs }
        let threads = top.map { Self.thread($0, below, Self.deepest) }
        show { ($0.threads, $0.loaded) = (threads, true) }
    }

    private static func thread(_ comment: Comment, _ below: [String?: [Comment]], _ depth: Int) -> CommentThread {
        var refused: String?
        if case .refused(let reason) = comment.state { refused = reason }
        let answers = depth == 0 ? [] : (below[comment.id] ?? []).map { thread($0, below, depth - 1) }
        return CommentThread(comment: comment, waiting: comment.state == .waiting, refused: refused, answers: answers)
    }
}

/// The numbers of changes to likes, comments and payments, each when it is asked for.
private struct Revisions: AsyncSequence, Sendable {
    let session: Unspool

    init(_ session: Unspool) { self.session = session }

    func makeAsyncIterator() -> Iterator { Iterator(session: session) }

    struct Iterator: AsyncIteratorProtocol {
        let session: Unspool
        var revision: UInt64 = 0

        mutating func next() async throws -> UInt64? {
            let (session, before) = (session, revision)
            do {
                revision = try await session.intentsAfter(revision: before)
            } catch UnspoolError.ShutDown {
                return nil
            }
            return revision
        }
    }
}
