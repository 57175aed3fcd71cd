import UnspoolCore

/// What the screen "Your data" shows.
public struct PrivacyState: ScreenState {
    /// The purposes the person agreed to.
    public var consent: Set<Purpose>
    /// What was written of the export so far; nil before it was asked for.
    public var progress: ExportProgress?
    /// Where the export lies once it is whole; the view hands it to the share sheet and deletes it afterwards.
    public var exported: String?
    /// What left this device, oldest first: host, purpose and bytes of each request.
    public var requests: [OutboundRequest] = []
    /// Erased, and with that the session ended: open another one to go on.
    public var erased = false
    public var trouble: Trouble?
}

/// What is held and what has left: consent, export, erasure, and the list of requests.
public final class PrivacyModel: Model<PrivacyState> {
    private let session: Unspool
    private var seen: UInt64 = 0
    private var export: Task<Void, Never>?

    /// Requests the screen lists at most, the newest: as many as the core remembers.
    private static let most = 1_000

    public init(_ session: Unspool) {
        self.session = session
        super.init(PrivacyState(consent: []))
        follow(session.settingsStates) { [weak self] now in self?.show { $0.consent = Set(now.preferences.consent) } }
        look()
    }

    /// Agrees to a purpose, or takes that back. What was recorded for it and not sent is deleted then.
    @discardableResult
    public func consent(to purpose: Purpose, _ given: Bool) -> Task<Void, Never> {
        inOrder {
            self.show { $0.trouble = nil }
            let settings = try await self.session.settings()
            var chosen = settings.preferencesChosen
            chosen.consent = settings.preferences.consent.filter { $0 != purpose } + (given ? [purpose] : [])
            try await self.session.setPreferences(chosen: chosen)
            self.show { state in
                if given { state.consent.insert(purpose) } else { state.consent.remove(purpose) }
            }
        }
    }

    /// Writes everything that is held to a new file at `path`.
    @discardableResult
    public func export(to path: String) -> Task<Void, Never> {
        cancelExport()
        let export = session.exportData(path: path)
        let task = begin {
            self.show { ($0.trouble, $0.exported, $0.progress) = (nil, nil, export.progress()) }
            let written = try await export.run()
            self.show { ($0.progress, $0.exported) = (written, path) }
        }
        self.export = task
        return task
    }

    /// Ends an export that is being written; it leaves no file that was not there.
    public func cancelExport() { export?.cancel() }

    /// Erases, and ends the session. Nothing that waits to be sent is sent before.
    @discardableResult
    public func erase(_ scopes: Set<EraseScope>) -> Task<Void, Never> {
        inOrder {
            self.show { $0.trouble = nil }
            try await self.session.erase(scopes: Array(scopes))
            self.show { $0.erased = true }
        }
    }

    /// Brings the list of requests up to date.
    public func look() {
        let newer = session.outboundAfter(after: seen)
        seen = newer.last
        show { $0.requests = ($0.requests + newer.requests).suffix(Self.most) }
    }
}
