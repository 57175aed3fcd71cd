import SwiftUI
import UnspoolKit

/// "What do you like?": the age, and topics to choose or to skip.
public struct OnboardingScreen: View {
    private let model: OnboardingModel

    public init(_ model: OnboardingModel) { self.model = model }

    private static let ages: [AgeBand] = [.unknown, .under16, .teen, .adult]

    public var body: some View {
        let state = model.state
        NavigationStack {
            Form {
                Section(Words.said("onboarding.age", "How old are you?")) {
                    Picker(Words.said("onboarding.ageBand", "Age"), selection: age) {
                        ForEach(Self.ages, id: \.self) { Text(Words.of($0)).tag($0) }
                    }
                }
                Section(Words.said("onboarding.topics", "What do you like?")) {
                    if state.topics.isEmpty, state.trouble == nil { ProgressView() }
                    ForEach(state.topics, id: \.id) { topic in
                        let chosen = state.chosen.contains(topic.id)
                        Button { model.toggle(topic.id) } label: {
                            HStack {
                                Text(topic.title)
                                Spacer()
                                if chosen { Image(systemName: "checkmark") }
                            }
                        }
                        .accessibilityAddTraits(chosen ? .isSelected : [])
                    }
                }
            }
            .navigationTitle(Words.said("onboarding.title", "Welcome"))
            .safeAreaInset(edge: .bottom) { TroubleBanner(trouble: state.trouble) { _ in model.load() } }
            .toolbar {
                ToolbarItem(placement: .cancellationAction) {
                    Button(Words.said("onboarding.skip", "Skip")) { model.skip() }
                }
                ToolbarItem(placement: .confirmationAction) {
                    Button(Words.said("onboarding.finish", "Done")) { model.finish() }.disabled(state.chosen.isEmpty)
                }
            }
        }
    }

    private var age: Binding<AgeBand> { Binding(of: { model.state.age }, set: { model.choose(age: $0) }) }
}
