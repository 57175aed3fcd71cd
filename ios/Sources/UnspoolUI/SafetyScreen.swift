import SwiftUI
import UnspoolKit

/// Classes of harm, muted words and topics, blocked creators.
struct SafetyScreen: View {
    @State private var model: SafetyModel
    @State private var word = ""

    init(_ model: SafetyModel) { _model = State(initialValue: model) }

    private static let harms: [Harm] = [.adult, .scam, .conspiracy, .propaganda, .flashing]
    private static let choices: [SafetyChoice] = [.show, .warn, .hide]

    var body: some View {
        let settings = model.state.settings
        Form {
            Section(Words.said("safety.harms", "Warnings")) {
                ForEach(Self.harms, id: \.self) { harm in
                    let chosen = Binding(
                        of: { settings.harms.first { $0.harm == harm }?.choice ?? .warn }, set: { model.choose(harm, $0) })
                    Picker(Words.of(harm), selection: chosen) {
                        ForEach(Self.choices, id: \.self) { Text(Words.of($0)).tag($0) }
                    }
                }
            }
            Section(Words.said("safety.words", "Muted words")) {
                ForEach(settings.words, id: \.value) { Text($0.value) }
                    .onDelete { $0.forEach { model.unmuteWord(settings.words[$0].value) } }
                TextField(Words.said("safety.newWord", "Another word"), text: $word).onSubmit {
                    model.muteWord(MutedWord(value: word))
                    word = ""
                }
            }
            Section(Words.said("safety.topics", "Muted topics")) {
                ForEach(settings.topics, id: \.self) { Text($0) }
                    .onDelete { $0.forEach { model.muteTopic(settings.topics[$0], false) } }
            }
            Section(Words.said("safety.blocked", "Blocked creators")) {
                ForEach(settings.blocked, id: \.self) { Text($0) }
                    .onDelete { $0.forEach { model.unblock(settings.blocked[$0]) } }
            }
        }
        .safeAreaInset(edge: .bottom) { TroubleBanner(trouble: model.state.trouble) }
    }
}
