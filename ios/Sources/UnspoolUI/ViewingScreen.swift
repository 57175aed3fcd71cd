import SwiftUI
import UnspoolKit

/// Captions, stillness, thrift.
struct ViewingScreen: View {
    @State private var model: ViewingModel
    @State private var languages = ""

    init(_ model: ViewingModel) { _model = State(initialValue: model) }

    var body: some View {
        let now = model.state.preferences
        Form {
            Toggle(Words.said("viewing.motion", "Videos wait for a tap"), isOn: Binding(of: { now.reducedMotion }, set: { model.reduceMotion($0) }))
            Toggle(Words.said("viewing.data", "Save data"), isOn: Binding(of: { now.dataSaver }, set: { model.saveData($0) }))
            Section(Words.said("viewing.captions", "Captions")) {
                LabeledContent(Words.said("viewing.languages", "Languages"), value: now.captions.joined(separator: ", "))
                TextField(Words.said("viewing.field", "de, en, *"), text: $languages)
                    .autocorrectionDisabled()
                    .textInputAutocapitalization(.never)
                    .onSubmit { model.captions(languages.split(whereSeparator: { ", ".contains($0) }).map(String.init)) }
                Button(Words.said("viewing.off", "Off")) { model.captions([]) }
            }
        }
        .safeAreaInset(edge: .bottom) { TroubleBanner(trouble: model.state.trouble) }
    }
}
