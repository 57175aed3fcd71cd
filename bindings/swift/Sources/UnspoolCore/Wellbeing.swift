import Foundation

/// Calls about a person's time, settings and reports whose waits end with the surrounding task.
extension Unspool {
    /// Waits for a state of what was watched and what holds that is newer than `revision`.
    public func wellbeingAfter(revision: UInt64) async throws -> WellbeingState {
        try await cancellable { try await self.wellbeingAfter(revision: revision, cancel: $0) }
    }

    /// What was watched, what holds, and the break that stands, from now on. See ``SessionStates``.
    public var wellbeingStates: SessionStates<WellbeingState> {
        SessionStates(
            now: { self.wellbeing() }, after: { try await self.wellbeingAfter(revision: $0) },
            revisionOf: { $0.revision })
    }

    /// Replaces the limits that were chosen. On disk when it returns, never sent, and in force at once. Somebody under age may
    /// be stricter than the policy, and looser only after ``givePasscode(code:)``; with a passcode that goes for everybody.
    ///
    /// - Throws: `UnspoolError.Config` when a bound is broken, `.Guarded` for what takes the passcode; nothing is changed then.
    public func setLimits(choices: LimitChoices) async throws {
        try await cancellable { try await self.setLimits(choices: choices, cancel: $0) }
    }

    /// Sets, replaces or takes away the guardian's passcode, 4 to 64 bytes of any text. Where there is none anybody may set
    /// one, so the app sees to it that it is the guardian. It is kept salted and hashed slowly; nobody can read it.
    ///
    /// - Throws: `UnspoolError.Config` for another length, `.Guarded` while there is one that was not given.
    public func setPasscode(code: String?) async throws {
        try await cancellable { try await self.setPasscode(code: code, cancel: $0) }
    }

    /// Somebody gives the passcode: for two minutes limits and age may be loosened. After four wrong ones each further one
    /// makes the next wait; neither a restart nor the clock shortens that.
    ///
    /// - Throws: `UnspoolError.WrongPasscode`, which says how long to wait, `.Config` where there is no passcode.
    public func givePasscode(code: String) async throws {
        try await cancellable { try await self.givePasscode(code: code, cancel: $0) }
    }

    /// Allows so many minutes, at most 240, from now on: today beyond the limit, and in this night.
    ///
    /// - Throws: `UnspoolError.Guarded` for what takes the passcode.
    public func allowMore(minutes: UInt32) async throws {
        try await cancellable { try await self.allowMore(minutes: minutes, cancel: $0) }
    }

    /// Says that the recap that was due was shown; the next one is due when this week is over.
    public func recapShown() async throws {
        try await cancellable { try await self.recapShown(cancel: $0) }
    }

    /// Says where the person is. Call it when the session is opened and whenever the system says that the zone or its offset
    /// changed.
    ///
    /// - Parameter at: The moment whose offset from UTC counts.
    public func setTimeZone(_ zone: TimeZone = .current, at moment: Date = Date()) throws {
        try setUtcOffset(minutes: Int32(zone.secondsFromGMT(for: moment) / 60))
    }

    /// Everything the person can decide, as it is now: what holds, what was chosen, and what would hold without that.
    public func settings() async throws -> Settings {
        try await cancellable { try await self.settings(cancel: $0) }
    }

    /// Waits for settings newer than `revision`.
    public func settingsAfter(revision: UInt64) async throws -> Settings {
        try await cancellable { try await self.settingsAfter(revision: revision, cancel: $0) }
    }

    /// Everything the person can decide, from now on. See ``SessionStates``.
    public var settingsStates: SessionStates<Settings> {
        SessionStates(
            now: { try await self.settings() }, after: { try await self.settingsAfter(revision: $0) },
            revisionOf: { $0.revision })
    }

    /// Replaces the preferences that were chosen: languages of captions, reduced motion, data saver, consent. On disk when it
    /// returns, never sent, and in force at once and in later sessions.
    ///
    /// - Throws: `UnspoolError.Config` when a bound is broken; nothing is changed then.
    public func setPreferences(chosen: PreferenceChoices) async throws {
        try await cancellable { try await self.setPreferences(chosen: chosen, cancel: $0) }
    }

    /// Reports an item, a creator or a comment. On disk when it returns, with or without a network; sent once, before likes,
    /// however often it is called for the same thing and reason. An item leaves the open feed at once and later pages too.
    ///
    /// - Throws: `UnspoolError.Config` for an identifier, a scene or words that cannot be such.
    public func report(_ report: Report) async throws {
        try await cancellable { try await self.report(report: report, cancel: $0) }
    }

    /// What was reported from this device and what became of it, oldest first.
    public func reports() async throws -> [FiledReport] {
        try await cancellable { try await self.reports(cancel: $0) }
    }

    /// Asks the backend what became of the reports, and gives all of them.
    ///
    /// - Throws: What the backend answered, `UnspoolError.Offline` without a network.
    @discardableResult
    public func refreshReports() async throws -> [FiledReport] {
        try await cancellable { try await self.refreshReports(cancel: $0) }
    }
}

/// States of a session: the present one at once, then only newer ones, each when it is asked for.
///
/// Nothing is buffered: whoever asks late gets the newest state and none of those in between. It ends when the session
/// does, and throws `CancellationError` when the task was cancelled. It may be iterated any number of times, by any
/// number of tasks at once.
public struct SessionStates<State: Sendable>: AsyncSequence, Sendable {
    public typealias Element = State
    let now: @Sendable () async throws -> State
    let after: @Sendable (UInt64) async throws -> State
    let revisionOf: @Sendable (State) -> UInt64

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(states: self) }

    /// Asks for one state after the other.
    public struct AsyncIterator: AsyncIteratorProtocol {
        let states: SessionStates
        var revision: UInt64?

        public mutating func next() async throws -> State? {
            try Task.checkCancellation()
            let (states, revision) = (states, revision)
            let state = try await untilItEnds {
                if let revision { try await states.after(revision) } else { try await states.now() }
            }
            guard let state else { return nil }
            self.revision = states.revisionOf(state)
            return state
        }
    }
}
