import SwiftUI
import UnspoolKit

/// What was learnt, in words, with the person's hand on it.
struct LearnerScreen: View {
    @State private var model: LearnerModel
    @State private var asksErase = false

    init(_ model: LearnerModel) { _model = State(initialValue: model) }

    var body: some View {
        let card = model.state.card
        Form {
            Section { Text(card.words) }
            Section(Words.said("learner.topics", "Topics")) {
                ForEach(card.topics, id: \.about) { line in
                    VStack(alignment: .leading) {
                        Text(line.words)
                        Slider(value: weight(line.about), in: -1...1, step: 0.25) {
                            Text(line.about)
                        } minimumValueLabel: {
                            Text(Words.said("learner.less", "Less"))
                        } maximumValueLabel: {
                            Text(Words.said("learner.more", "More"))
                        }
                    }
                    .swipeActions { Button(Words.said("learner.forget", "Forget"), role: .destructive) { model.forget(line.about) } }
                }
            }
            Section(Words.said("learner.parameters", "What orders your feed")) {
                ForEach(model.state.parameters, id: \.name) { LabeledContent($0.words, value: $0.value) }
            }
            Section {
                if let exported = model.state.exported {
                    ShareLink(item: exported)
                } else {
                    Button(Words.said("learner.export", "Take it along")) { model.export() }
                }
                Button(Words.said("learner.reset", "Begin anew")) { model.reset() }
                Button(Words.said("learner.erase", "Erase all of it"), role: .destructive) { asksErase = true }
            }
        }
        .safeAreaInset(edge: .bottom) { TroubleBanner(trouble: model.state.trouble) }
        .confirmationDialog(Words.said("learner.erase", "Erase all of it"), isPresented: $asksErase) {
            Button(Words.said("learner.erase", "Erase all of it"), role: .destructive) { model.erase() }
        }
    }

    private func weight(_ topic: String) -> Binding<Double> {
        Binding(
            of: { model.state.card.settings.first { $0.topic == topic }?.weight ?? 0 }, set: { model.weigh(topic, $0) })
    }
}
