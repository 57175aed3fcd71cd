import UnspoolCore

/// What the screen of filters shows: the settings in force.
public struct SafetyState: ScreenState {
    public var settings: SafetySettings
    public var trouble: Trouble?
}

/// Filters of the person's own: each change is on disk, and in the open feed, when its task ends.
public final class SafetyModel: Model<SafetyState> {
    private let session: Unspool

    public init(_ session: Unspool) {
        self.session = session
        super.init(SafetyState(settings: session.safety()))
    }

    /// Shows, covers or hides a class of harm.
    @discardableResult
    public func choose(_ harm: Harm, _ choice: SafetyChoice) -> Task<Void, Never> {
        changed { $0.with(harms: $0.harms.filter { $0.harm != harm } + [HarmChoice(harm: harm, choice: choice)]) }
    }

    /// Mutes a word; one that is muted already is replaced.
    @discardableResult
    public func muteWord(_ word: MutedWord) -> Task<Void, Never> {
        changed { $0.with(words: $0.words.filter { $0.value != word.value } + [word]) }
    }

    /// Takes a muted word away.
    @discardableResult
    public func unmuteWord(_ word: String) -> Task<Void, Never> {
        changed { $0.with(words: $0.words.filter { $0.value != word }) }
    }

    /// Mutes a topic or hears of it again.
    @discardableResult
    public func muteTopic(_ topic: String, _ muted: Bool) -> Task<Void, Never> {
        changed { $0.with(topics: $0.topics.filter { $0 != topic } + (muted ? [topic] : [])) }
    }

    /// Unblocks a creator, here and at the backend.
    @discardableResult
    public func unblock(_ creator: String) -> Task<Void, Never> {
        told { try await $0.setBlocked(creator: creator, blocked: false) }
    }

    private func changed(_ how: @escaping @MainActor (SafetySettings) -> SafetySettings) -> Task<Void, Never> {
        told { try await $0.setSafety(settings: how($0.safety())) }
    }

    private func told(_ change: @escaping @MainActor (Unspool) async throws -> Void) -> Task<Void, Never> {
        inOrder {
            self.show { $0.trouble = nil }
            try await change(self.session)
            self.show { $0.settings = self.session.safety() }
        }
    }
}
