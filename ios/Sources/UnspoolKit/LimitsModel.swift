import UnspoolCore

/// What the screen of limits shows: the choice, the policy beside it, and what was watched today.
public struct LimitsState: ScreenState {
    public var wellbeing: WellbeingState
    public var trouble: Trouble?
}

/// Daily limit, breaks, nights, and the guardian's passcode. What the core guards stays guarded: a choice that would loosen a
/// minor's limits comes back as a ``Trouble`` until the passcode was given.
public final class LimitsModel: Model<LimitsState> {
    private let session: Unspool

    public init(_ session: Unspool) {
        self.session = session
        super.init(LimitsState(wellbeing: session.wellbeing()))
        follow(session.wellbeingStates) { [weak self] now in self?.show { $0.wellbeing = now } }
    }

    /// Changes the person's choices; nil in one of them means the policy's.
    @discardableResult
    public func choose(_ how: @escaping @MainActor (inout LimitChoices) -> Void) -> Task<Void, Never> {
        told { session in
            var choices = session.wellbeing().chosen
            how(&choices)
            try await session.setLimits(choices: choices)
        }
    }

    /// Opens what is guarded. A wrong code costs time: ``Trouble/after`` says how long to wait.
    @discardableResult
    public func givePasscode(_ code: String) -> Task<Void, Never> { told { try await $0.givePasscode(code: code) } }

    /// Sets a new passcode, or takes it away.
    @discardableResult
    public func setPasscode(_ code: String?) -> Task<Void, Never> { told { try await $0.setPasscode(code: code) } }

    /// Closes what the passcode opened, at the latest when the screen is left.
    public func lock() { session.lockLimits() }

    private func told(_ change: @escaping @MainActor (Unspool) async throws -> Void) -> Task<Void, Never> {
        inOrder {
            self.show { $0.trouble = nil }
            try await change(self.session)
            self.show { $0.wellbeing = self.session.wellbeing() }
        }
    }
}
