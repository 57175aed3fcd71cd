import UnspoolCore

/// What the screen "What this app has learnt" shows.
public struct LearnerState: ScreenState {
    /// What was learnt on this device, in plain words.
    public var card: LearnerCard
    /// Every number that orders the feed.
    public let parameters: [Parameter]
    /// All of it as JSON, once it was asked for; the view hands it to the system's sharing.
    public var exported: String?
    public var trouble: Trouble?
}

/// The person's hand on what was learnt: read it, weigh it, take it along, begin anew. None of it ever leaves by itself.
public final class LearnerModel: Model<LearnerState> {
    private let session: Unspool

    public init(_ session: Unspool) {
        self.session = session
        super.init(LearnerState(card: session.learnerCard(), parameters: session.mainParameters()))
    }

    /// The person's own word on a topic, from -1 (as little as can be) to 1 (as much as can be); 0 takes it back.
    @discardableResult
    public func weigh(_ topic: String, _ weight: Double) -> Task<Void, Never> {
        changed { try await $0.setLearnerWeight(topic: topic, weight: weight) }
    }

    /// Forgets one topic.
    @discardableResult
    public func forget(_ topic: String) -> Task<Void, Never> { changed { try await $0.forgetLearnedTopic(topic: topic) } }

    /// Begins anew; the choice of interests stays.
    @discardableResult
    public func reset() -> Task<Void, Never> { changed { try await $0.resetLearner() } }

    /// Deletes all of it.
    @discardableResult
    public func erase() -> Task<Void, Never> { changed { try await $0.eraseLearner() } }

    /// Makes the export.
    @discardableResult
    public func export() -> Task<Void, Never> {
        inOrder {
            let all = try await self.session.exportLearner()
            self.show { $0.exported = all }
        }
    }

    private func changed(_ change: @escaping @MainActor (Unspool) async throws -> Void) -> Task<Void, Never> {
        inOrder {
            self.show { $0.trouble = nil }
            try await change(self.session)
            self.show { $0.card = self.session.learnerCard() }
        }
    }
}
