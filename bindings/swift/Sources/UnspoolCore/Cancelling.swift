@_exported import UnspoolBindings

/// Awaits a call of the core so that cancelling the surrounding task ends the wait in the core, too.
///
/// Generated code does not forward the cancelling of a task. So each call gets a token of its own, which is cancelled
/// with the task. A call that was answered at that moment gives its answer: nothing that was taken is dropped.
///
/// - Throws: `CancellationError` when the task was cancelled, otherwise only `UnspoolError`. A panic of the core, which
///   generated code reports with a type of its own, is `UnspoolError.Internal`.
func cancellable<Value: Sendable>(
    isolation: isolated (any Actor)? = #isolation,
    _ call: @Sendable (CancelToken) async throws -> Value
) async throws -> Value {
    try Task.checkCancellation()
    let token = CancelToken()
    do {
        return try await withTaskCancellationHandler {
            try await call(token)
        } onCancel: {
            token.cancel()
        }
    } catch UnspoolError.Cancelled {
        throw CancellationError()
    } catch let error as UnspoolError {
        throw error
    } catch {
        throw UnspoolError.Internal(reason: error.localizedDescription)
    }
}
