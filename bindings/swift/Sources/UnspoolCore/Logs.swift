/// What the core logs, in batches, oldest first, none twice.
///
/// Nothing is collected before ``setLogLevel(level:)``. The log is one for the process and outlives every session; the
/// sequence never ends by itself. It throws `CancellationError` when the task was cancelled; a reader that keeps `last`
/// begins there again and loses nothing. An app hands each line to `os_log` under its target.
public struct LogBatches: AsyncSequence, Sendable {
    public typealias Element = LogBatch
    let after: UInt64

    /// Begins after line number `after`.
    public init(after: UInt64 = 0) { self.after = after }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(last: after) }

    /// Asks for one batch after the other.
    public struct AsyncIterator: AsyncIteratorProtocol {
        var last: UInt64

        public mutating func next() async throws -> LogBatch? {
            let from = last
            let batch = try await cancellable { try await logsAfter(after: from, cancel: $0) }
            last = batch.last
            return batch
        }
    }
}
