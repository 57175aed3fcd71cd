import OSLog
import UnspoolKit

/// Hands the core's log to the system's, one category for each of its targets.
///
/// At `info` and above the core writes no identifier, so those lines are public; what is finer may name items and hosts, and
/// stands in the log as private.
public enum LogSink {
    /// Follows the log until the task is cancelled; returns at once where another library of the process took the log before.
    public static func follow(_ level: LogLevel = .info, subsystem: String) async {
        guard setLogLevel(level: level) else { return }
        var loggers: [String: Logger] = [:]
        do {
            for try await batch in LogBatches() {
                for line in batch.lines {
                    let logger = loggers[line.target] ?? Logger(subsystem: subsystem, category: line.target)
                    loggers[line.target] = logger
                    switch line.level {
                    case .error: logger.error("\(line.text, privacy: .public)")
                    case .warn: logger.warning("\(line.text, privacy: .public)")
                    case .info: logger.info("\(line.text, privacy: .public)")
                    case .debug, .trace: logger.debug("\(line.text, privacy: .private)")
                    }
                }
            }
        } catch {
            // Cancelled: nobody reads any more.
        }
    }
}
