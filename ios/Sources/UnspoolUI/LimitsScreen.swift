import SwiftUI
import UnspoolKit

/// Daily limit, breaks, nights and the guardian's passcode.
struct LimitsScreen: View {
    @State private var model: LimitsModel
    @State private var asksPasscode = false
    @State private var setsPasscode = false
    @State private var newCode = ""

    init(_ model: LimitsModel) { _model = State(initialValue: model) }

    private static let measures: [BreakMeasure] = [.remind, .pause, .stop]

    var body: some View {
        let now = model.state.wellbeing
        Form {
            Section {
                LabeledContent(Words.said("limits.today", "Watched today"), value: Words.duration(ms: now.todayMs))
                LabeledContent(Words.said("limits.stretch", "Without a rest"), value: Words.duration(ms: now.stretchMs))
            }
            Section(Words.said("limits.daily", "Each day")) {
                minutes(now.limits.dailyMin, step: 15, most: 1_440) { $0.dailyMin = $1 }
                measure(now.limits.atDaily) { $0.atDaily = $1 }
            }
            Section(Words.said("limits.rests", "Rests")) {
                minutes(now.limits.breakMin, step: 5, most: 240) { $0.breakMin = $1 }
                measure(now.limits.atBreak) { $0.atBreak = $1 }
            }
            Section(Words.said("limits.night", "At night")) { measure(now.limits.atNight) { $0.atNight = $1 } }
            Section {
                toggle(Words.said("limits.autoplay", "Play by itself"), now.limits.autoplay) { $0.autoplay = $1 }
                toggle(Words.said("limits.endless", "Go on without end"), now.limits.endless) { $0.endless = $1 }
                toggle(Words.said("limits.recap", "Show my week"), now.limits.recap) { $0.recap = $1 }
                Button(Words.said("limits.policy", "As recommended")) { model.choose { $0 = LimitChoices() } }
            }
            Section {
                if now.passcode.isSet { Button(Words.said("limits.unlock", "Give the passcode")) { asksPasscode = true } }
                Button(Words.said("limits.setPasscode", "Set a passcode")) { setsPasscode = true }
            } footer: {
                if now.guarded { Text(Words.said("limits.guarded", "Looser limits take the guardian’s passcode.")) }
            }
        }
        .safeAreaInset(edge: .bottom) { TroubleBanner(trouble: model.state.trouble) }
        .sheet(isPresented: $asksPasscode) { PasscodeSheet(model: model) {} }
        .alert(Words.said("limits.setPasscode", "Set a passcode"), isPresented: $setsPasscode) {
            SecureField(Words.said("passcode.field", "Passcode"), text: $newCode)
            Button(Words.said("passcode.set", "Set")) {
                model.setPasscode(newCode)
                newCode = ""
            }
            Button(Words.said("passcode.cancel", "Cancel"), role: .cancel) { newCode = "" }
        }
        .onDisappear { model.lock() }
    }

    private func minutes(
        _ value: UInt32, step: Int, most: Int, _ set: @escaping @MainActor (inout LimitChoices, UInt32) -> Void
    ) -> some View {
        let value = Binding(of: { Int(value) }, set: { now in model.choose { set(&$0, UInt32(now)) } })
        return Stepper(value: value, in: 0...most, step: step) {
            Text(value.wrappedValue == 0
                ? Words.said("limits.none", "No limit")
                : Words.said("limits.minutes", "\(value.wrappedValue) minutes"))
        }
    }

    private func measure(
        _ value: BreakMeasure, _ set: @escaping @MainActor (inout LimitChoices, BreakMeasure) -> Void
    ) -> some View {
        let value = Binding(of: { value }, set: { now in model.choose { set(&$0, now) } })
        return Picker(Words.said("limits.then", "Then"), selection: value) {
            ForEach(Self.measures, id: \.self) { Text(Words.of($0)).tag($0) }
        }
    }

    private func toggle(
        _ words: String, _ value: Bool, _ set: @escaping @MainActor (inout LimitChoices, Bool) -> Void
    ) -> some View {
        Toggle(words, isOn: Binding(of: { value }, set: { now in model.choose { set(&$0, now) } }))
    }
}
