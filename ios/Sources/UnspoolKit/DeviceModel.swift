import Foundation
import UnspoolCore

/// What is known of the device.
public struct DeviceState: ScreenState {
    public var signals: Signals
    /// The databases are closed, so that the system may freeze the process.
    public var asleep = false
    /// What went wrong last, for a log.
    public var trouble: Trouble?
}

/// Hands what the system says to the core: network, battery, heat, memory, sound, and whether the app is looked at.
///
/// Each method is one observer of the platform. What is said twice is told once. When the app leaves the screen, what waits is
/// sent for a few seconds and the databases close; they open when it comes back, in that order however fast it goes to
/// and fro, and stay open for as long as a task in the background works.
public final class DeviceModel: Model<DeviceState> {
    private let session: Unspool
    private var jobs = 0

    public init(_ session: Unspool, _ first: Signals = Signals()) {
        self.session = session
        super.init(DeviceState(signals: first))
        tell(first)
    }

    /// Something of the device changed. The task ends when the core has followed.
    @discardableResult
    public func changed(_ how: (inout Signals) -> Void) -> Task<Void, Never> {
        let before = state.signals
        show { how(&$0.signals) }
        let now = state.signals
        guard now != before else { return begin {} }
        tell(now)
        guard now.scene == .background, before.scene != .background else { return settle() }
        return begin { _ = await self.work(within: FlushJob.leaving) }
    }

    /// Sends what waits, for at most `within` seconds, also while the app is not on the screen: wakes the session where it
    /// sleeps, and puts it to sleep again where nobody looks at it. Cancelled, it stops sending and still goes to sleep.
    public func work(within: TimeInterval = FlushJob.limit) async -> FlushJob.Outcome {
        jobs += 1
        await settle().value
        let outcome = state.asleep ? .again : await FlushJob.run(session, within: within)
        jobs -= 1
        // A task of its own: in one that was cancelled the core would not be waited for.
        await settle().value
        return outcome
    }

    /// Memory gets scarce, or there is enough again.
    public func memory(_ news: MemoryNews) { session.setMemoryPressure(pressure: news.pressure) }

    /// The audio session has news.
    public func audio(_ news: AudioNews) { session.setSoundFocus(focus: news.focus) }

    /// The phone is in another time zone, or the day changed its offset: days and nights of the person's limits go by it.
    public func timeZone(_ zone: TimeZone = .current, at moment: Date = Date()) {
        do { try session.setTimeZone(zone, at: moment) } catch { failed(error) }
    }

    private func tell(_ now: Signals) {
        session.setConditions(conditions: now.conditions)
        session.setPower(roaming: false, lowPower: now.lowPower)
    }

    /// Opens or closes the databases, whichever is due when its turn comes.
    private func settle() -> Task<Void, Never> {
        inOrder {
            let wanted = self.state.signals.scene != .background || self.jobs > 0
            if wanted, self.state.asleep {
                try await self.session.resume()
                self.show { $0.asleep = false }
            } else if !wanted, !self.state.asleep {
                try await self.session.suspend()
                self.show { $0.asleep = true }
            }
        }
    }
}
