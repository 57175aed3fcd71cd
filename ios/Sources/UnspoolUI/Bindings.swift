import SwiftUI

extension Binding where Value: Sendable {
    /// A value of a model. SwiftUI reads and writes it on the main actor, however it declares its closures.
    @MainActor
    init(of read: @escaping @MainActor () -> Value, set write: @escaping @MainActor (Value) -> Void) {
        self.init(get: { MainActor.assumeIsolated(read) }, set: { value in MainActor.assumeIsolated { write(value) } })
    }
}
