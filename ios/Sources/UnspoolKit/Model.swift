import Observation
@_exported import UnspoolCore

/// What every screen's state has: a place for what went wrong.
public protocol ScreenState: Sendable {
    /// Why the last thing did not work; nil while nothing is wrong.
    var trouble: Trouble? { get set }
}

/// The logic of one screen: it holds what the screen shows, and is told what the person does.
///
/// SwiftUI follows ``state`` by itself; elsewhere `withObservationTracking` does. Methods return the task they began, to be
/// awaited by tests and ignored by views. A call that fails puts a ``Trouble`` into the state and never throws at the view.
/// Everything lives on the main actor; the core works on threads of its own. What follows the core ends with the model; what
/// the person began goes on until it is done or ``close()`` was called, and a write that was begun in the core always does.
@MainActor
@Observable
open class Model<State: ScreenState>: Identifiable {
    /// What the screen shows.
    public private(set) var state: State

    @ObservationIgnored private let begun = Begun()
    @ObservationIgnored private var last: [Lane: Task<Void, Never>] = [:]

    /// Things of one lane follow one another; lanes run beside each other.
    enum Lane {
        /// Moves of the feed, changes of settings.
        case steps
        /// What a person wants of an item, which waits for no page.
        case wishes
    }

    init(_ first: State) { state = first }

    /// Ends everything the model began. The screen is gone for good.
    public func close() { begun.end() }

    func show(_ change: (inout State) -> Void) { change(&state) }

    /// Runs `body` at once, beside what runs already.
    @discardableResult
    func begin(_ body: @escaping @MainActor () async throws -> Void) -> Task<Void, Never> {
        begun.add { number in
            Task { [weak begun] in
                defer { begun?.remove(number) }
                do { try await body() } catch { self.failed(error) }
            }
        }
    }

    /// Runs `body` after everything that was put into that lane before.
    @discardableResult
    func inOrder(_ lane: Lane = .steps, _ body: @escaping @MainActor () async throws -> Void) -> Task<Void, Never> {
        let before = last[lane]
        let task = begin {
            await before?.value
            try await body()
        }
        last[lane] = task
        return task
    }

    /// Hands every element of `sequence` to `take`, for as long as the model lives. `take` holds the model weakly.
    func follow<Elements: AsyncSequence & Sendable>(
        _ sequence: Elements, _ take: @escaping @MainActor (Elements.Element) async throws -> Void
    ) where Elements.Element: Sendable {
        begun.add { number in
            Task { [weak begun, weak self] in
                defer { begun?.remove(number) }
                do {
                    for try await element in sequence { try await take(element) }
                } catch {
                    self?.failed(error)
                }
            }
        }
    }

    func failed(_ error: any Error) {
        if let trouble = Trouble(error) { show { $0.trouble = trouble } }
    }
}

/// The tasks a model began; they are cancelled with it.
private final class Begun: @unchecked Sendable {
    // Touched on the main actor, but for the end, when nobody else has it any more.
    private var tasks: [Int: Task<Void, Never>] = [:]
    private var count = 0
    private var ended = false

    @MainActor
    @discardableResult
    func add(_ make: (Int) -> Task<Void, Never>) -> Task<Void, Never> {
        count += 1
        let task = make(count)
        tasks[count] = task
        if ended { task.cancel() }
        return task
    }

    @MainActor
    func remove(_ number: Int) { tasks[number] = nil }

    @MainActor
    func end() {
        ended = true
        tasks.values.forEach { $0.cancel() }
    }

    deinit { tasks.values.forEach { $0.cancel() } }
}
