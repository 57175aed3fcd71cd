import BackgroundTasks
import UIKit
import UnspoolKit

/// Sends what waits when the app is not on the screen: a processing task of the system, and the last seconds before sleep.
///
/// iOS decides when a task runs, usually at night on the charger, and never after the person has swiped the app away. What is
/// not sent stays on disk.
@MainActor
public enum BackgroundFlush {
    /// Registers the task. Call it before the app has finished launching; `device` opens the session where there is none yet.
    public static func register(_ device: @escaping @MainActor @Sendable () async throws -> DeviceModel) {
        BGTaskScheduler.shared.register(forTaskWithIdentifier: FlushJob.identifier, using: .main) { task in
            // The scheduler gives it away, on the queue it was told: the main one.
            nonisolated(unsafe) let task = task
            MainActor.assumeIsolated { run(task, device) }
        }
    }

    private static func run(_ task: BGTask, _ device: @escaping @MainActor @Sendable () async throws -> DeviceModel) {
        let work = Task {
            let outcome = (try? await device().work()) ?? .again
            if outcome == .again { schedule(after: FlushJob.again) }
            task.setTaskCompleted(success: outcome == .done)
        }
        task.expirationHandler = { work.cancel() }
    }

    /// Asks for the task. Where the person has turned background work off, or the simulator runs, the system refuses; then what waits
    /// is sent when the app is opened again.
    public static func schedule(after seconds: TimeInterval = 0) {
        let request = BGProcessingTaskRequest(identifier: FlushJob.identifier)
        request.requiresNetworkConnectivity = true
        request.earliestBeginDate = seconds > 0 ? Date(timeIntervalSinceNow: seconds) : nil
        try? BGTaskScheduler.shared.submit(request)
    }

    /// The app leaves the screen: sends for a few seconds and closes the databases, under the time that the system lends for it.
    public static func leave(_ device: DeviceModel) {
        let application = UIApplication.shared
        var lent = UIBackgroundTaskIdentifier.invalid
        let giveBack: @MainActor () -> Void = {
            guard lent != .invalid else { return }
            application.endBackgroundTask(lent)
            lent = .invalid
        }
        let leaving = device.changed { $0.scene = .background }
        lent = application.beginBackgroundTask(withName: FlushJob.identifier) { MainActor.assumeIsolated(giveBack) }
        Task {
            await leaving.value
            schedule()
            giveBack()
        }
    }
}
