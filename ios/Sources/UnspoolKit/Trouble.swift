import Foundation
import UnspoolCore

/// What a screen offers beside the words of a trouble.
public enum Remedy: Sendable {
    /// A button that repeats what failed.
    case retry
    /// The way to the sign-in.
    case signIn
    /// The way to the system's storage settings.
    case freeSpace
    /// Nothing: the words are enough.
    case none
}

/// Why something did not work, as a screen says it.
///
/// The words belong to the app's catalogue of strings: ``kind`` chooses them, ``detail`` is for a log and never for a person.
public struct Trouble: Equatable, Sendable {
    /// One text each.
    public enum Kind: String, CaseIterable, Sendable {
        case offline, signedOut, server, storageFull, storage, inUse, pausedByLimit, guarded, wrongPasscode, refused, ended, broken
    }

    public let kind: Kind
    /// What the screen offers.
    public let remedy: Remedy
    /// Seconds after which a repetition makes sense, where the backend or the passcode's wait said so.
    public let after: TimeInterval?
    /// For a log.
    public let detail: String

    public init(_ kind: Kind, _ remedy: Remedy, after: TimeInterval? = nil, detail: String = "") {
        (self.kind, self.remedy, self.after, self.detail) = (kind, remedy, after, detail)
    }

    /// What a screen says of an error, or nil where it says nothing: what was cancelled, and a feed's end. An error that is
    /// not the core's is told by the name of its type: its words may be personal.
    public init?(_ error: any Error) {
        if error is CancellationError { return nil }
        guard let error = error as? UnspoolError else {
            self.init(.broken, .retry, detail: String(describing: type(of: error)))
            return
        }
        switch error {
        case .Cancelled, .EndOfFeed: return nil
        case .Offline: self.init(.offline, .retry)
        case .SignIn: self.init(.signedOut, .signIn)
        case .Backend(let reason, let retryAfter): self.init(.server, .retry, after: retryAfter, detail: reason)
        case .TimedOut: self.init(.server, .retry, detail: "no answer")
        case .NoRoom: self.init(.storageFull, .freeSpace)
        case .Storage(let reason): self.init(.storage, .freeSpace, detail: reason)
        case .InUse: self.init(.inUse, .retry)
        case .Break: self.init(.pausedByLimit, .none)
        case .Guarded: self.init(.guarded, .none)
        case .WrongPasscode(let wait, _): self.init(.wrongPasscode, .retry, after: wait)
        case .ShutDown: self.init(.ended, .none)
        case .HostRefused, .Config, .Rules, .NotRevealable, .NoSuchCard, .Withheld, .NotComplete, .Thumbnail:
            self.init(.refused, .none, detail: "\(error)")
        case .Internal(let reason): self.init(.broken, .retry, detail: reason)
        }
    }
}
