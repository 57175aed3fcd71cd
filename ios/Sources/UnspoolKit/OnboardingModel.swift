import UnspoolCore

/// What the first screen shows.
public struct OnboardingState: ScreenState {
    /// What can be chosen; empty until the catalogue is here.
    public var topics: [Topic] = []
    /// Identifiers of what the person likes, in the order of choosing.
    public var chosen: [String] = []
    /// The age the person gave; ``AgeBand/unknown`` is filtered as strictly as the youngest.
    public var age: AgeBand
    /// The feed may begin.
    public var done = false
    public var trouble: Trouble?
}

/// "What do you like?": choose or skip. Who chose before, on this device, does not see it again.
public final class OnboardingModel: Model<OnboardingState> {
    private let session: Unspool

    public init(_ session: Unspool) {
        self.session = session
        super.init(OnboardingState(age: session.safety().age))
        load()
    }

    /// Fetches the catalogue, again when it failed.
    @discardableResult
    public func load() -> Task<Void, Never> {
        inOrder {
            self.show { $0.trouble = nil }
            let chosen = try await self.session.interests()
            self.show { ($0.chosen, $0.done) = (chosen, !chosen.isEmpty) }
            let topics = try await self.session.topics()
            self.show { $0.topics = topics }
        }
    }

    /// Chooses a topic, or takes it back.
    public func toggle(_ topic: String) {
        show { state in
            if let at = state.chosen.firstIndex(of: topic) { state.chosen.remove(at: at) } else { state.chosen.append(topic) }
        }
    }

    /// The age the person gives. What the core guards stays guarded: an older one than before takes the passcode.
    @discardableResult
    public func choose(age: AgeBand) -> Task<Void, Never> {
        inOrder {
            self.show { $0.trouble = nil }
            defer { self.show { $0.age = self.session.safety().age } }
            try await self.session.setSafety(settings: self.session.safety().with(age: age))
        }
    }

    /// Keeps the choice; it is on disk, and at the server as soon as there is one.
    @discardableResult
    public func finish() -> Task<Void, Never> {
        inOrder {
            try await self.session.setInterests(topics: self.state.chosen)
            self.show { $0.done = true }
        }
    }

    /// Goes on without a choice.
    public func skip() { show { ($0.chosen, $0.done) = ([], true) } }
}
