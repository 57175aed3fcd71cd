import UnspoolCore

/// What the screen "Playback and accessibility" shows: what holds, with the device's own wishes in it.
public struct ViewingState: ScreenState {
    public var preferences: Preferences
    public var trouble: Trouble?
}

/// Captions, reduced motion and data saver. A choice is on disk, in force at once, and never sent.
public final class ViewingModel: Model<ViewingState> {
    private let session: Unspool

    public init(_ session: Unspool) {
        self.session = session
        super.init(ViewingState(
            preferences: Preferences(captions: [], reducedMotion: false, dataSaver: false, consent: [])))
        follow(session.settingsStates) { [weak self] now in self?.show { $0.preferences = now.preferences } }
    }

    /// Languages of captions, best first, as BCP 47 tags; `*` is any, none at all turns them off.
    @discardableResult
    public func captions(_ languages: [String]) -> Task<Void, Never> { changed { $0.captions = languages } }

    /// The person wants stillness; nil is what the device says.
    @discardableResult
    public func reduceMotion(_ wanted: Bool?) -> Task<Void, Never> { changed { $0.reducedMotion = wanted } }

    /// The person saves data; nil is what the device says.
    @discardableResult
    public func saveData(_ wanted: Bool?) -> Task<Void, Never> { changed { $0.dataSaver = wanted } }

    private func changed(_ how: @escaping @MainActor (inout PreferenceChoices) -> Void) -> Task<Void, Never> {
        inOrder {
            self.show { $0.trouble = nil }
            var chosen = try await self.session.settings().preferencesChosen
            how(&chosen)
            try await self.session.setPreferences(chosen: chosen)
            let now = try await self.session.settings().preferences
            self.show { $0.preferences = now }
        }
    }
}
