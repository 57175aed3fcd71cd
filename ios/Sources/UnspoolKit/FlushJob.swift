import Foundation
import UnspoolCore

/// What a task in the background does: send what waits, in the time it is given.
///
/// A session that sleeps is woken and put to sleep again by ``DeviceModel/work(within:)``, which views and tasks call.
public enum FlushJob {
    /// The name the task is registered under, listed in `BGTaskSchedulerPermittedIdentifiers` of the app's `Info.plist`.
    public static let identifier = "dev.unspool.flush"

    /// Longest that a task sends, in seconds. Apple gives a processing task "minutes", says no number and takes the rest back
    /// with seconds' notice: three minutes are on the safe side of that, and more than a day's records take.
    public static let limit: TimeInterval = 180

    /// Longest that is sent when the app leaves the screen, in seconds: about five are given there, and the databases
    /// must be closed in them as well.
    public static let leaving: TimeInterval = 3

    /// Least that is worth beginning with, in seconds.
    public static let least: TimeInterval = 2

    /// Seconds after which the system is asked to come again when something waits; it decides itself when it does.
    public static let again: TimeInterval = 15 * 60

    /// What the task tells the system.
    public enum Outcome: Equatable, Sendable {
        /// Nothing waits any more.
        case done
        /// Something waits: come again.
        case again
        /// The person has to sign in first; a task cannot help.
        case giveUp
    }

    /// Sends for at most `within` seconds. A cancelled task ends the sending; what waits stays on disk.
    public static func run(_ session: Unspool, within: TimeInterval = limit) async -> Outcome {
        guard within >= least else { return .again }
        do {
            let left = try await session.flush(within: min(within, limit))
            return left.queued > 0 || left.intentsQueued > 0 ? .again : .done
        } catch UnspoolError.SignIn {
            return .giveUp
        } catch UnspoolError.Config {
            return .giveUp
        } catch {
            return .again
        }
    }
}
