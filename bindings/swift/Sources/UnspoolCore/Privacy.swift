/// Calls about what is held whose waits end with the surrounding task.
extension Unspool {
    /// Erases scopes and ends the session: open another one to go on. Nothing that waits to be sent is sent before. When it
    /// returns, no file of the data directory holds any of it. Once begun it goes on, whoever waits.
    ///
    /// - Throws: `UnspoolError.Config` for no scope at all; `UnspoolError.Storage` when the disk refuses, and the next opening
    ///   goes on.
    public func erase(scopes: [EraseScope]) async throws {
        try await cancellable { try await self.erase(scopes: scopes, cancel: $0) }
    }
}

extension DataExport {
    /// Writes the file, and tells what was written. Cancelled, it leaves no file that was not there.
    @discardableResult
    public func run() async throws -> ExportProgress {
        try await cancellable { try await self.run(cancel: $0) }
    }
}
